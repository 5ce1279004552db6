/**
 * Who of the speakers lives, without sockets or clock: heartbeats in, heartbeats to send out.
 *
 * A speaker counts as alive while it is heard and hears us: each heartbeat names the boots that its sender heard.
 * That proves it was made after our own start, so an old one that is replayed to us brings nobody back; within a
 * boot the counter must grow, and boots that were replaced stay retired.
 */
import type { Member } from '../layer2/wanted.ts';
import {
  CLAIMS_PER_PART,
  type Claim,
  type Heartbeat,
  MOST_PARTS,
  nameHash,
  type Presence,
} from './packet.ts';

export interface MembershipTiming {
  /** Milliseconds between heartbeats. */
  readonly intervalMs: number;
  /** A speaker is lost when it was not heard for so many of them. */
  readonly missed: number;
}

/** Ourselves, as others are told. */
export interface Self {
  readonly interfaces: Heartbeat['interfaces'];
  readonly claims: readonly Claim[];
}

/** Why a heartbeat that was authentic did not count. */
export type HeartbeatRefused = 'unknown-name' | 'own-name' | 'replayed' | 'retired-boot';

interface Peer {
  readonly name: string;
  boot: bigint;
  counter: bigint;
  heardAt: number;
  /** When it was last heard to hear us. */
  mutualAt: number;
  presence: Presence;
  interfaces: Heartbeat['interfaces'];
  claims: ReadonlyMap<string, boolean>;
  /** Parts of the claims, while they are collected. */
  collected: ReadonlyMap<number, readonly Claim[]>;
  parts: number;
  readonly retired: bigint[];
}

const MOST_RETIRED = 32;

export class Membership {
  readonly #name: string;
  readonly #boot: bigint;
  readonly #timing: MembershipTiming;
  readonly #peers = new Map<string, Peer>();
  #counter = 0n;
  #presence: Presence = 'here';
  #self: Self = { interfaces: [], claims: [] };
  #nextPart = 0;

  /** `boot`: 64 random bits. */
  constructor(name: string, boot: bigint, timing: MembershipTiming) {
    this.#name = name;
    this.#boot = boot;
    this.#timing = timing;
  }

  get detectMs(): number {
    return this.#timing.intervalMs * this.#timing.missed;
  }

  /** The names of all other speakers there should be. */
  setPeers(names: readonly string[]): void {
    const wanted = new Set(names.filter((name) => name !== this.#name));
    for (const name of this.#peers.keys()) if (!wanted.has(name)) this.#peers.delete(name);
    for (const name of wanted) if (!this.#peers.has(name)) this.#peers.set(name, newPeer(name));
  }

  setSelf(self: Self): void {
    this.#self = self;
  }

  setPresence(presence: Presence): void {
    this.#presence = presence;
  }

  /** Takes an authentic heartbeat; `answer` says that the sender should hear from us at once. */
  receive(heartbeat: Heartbeat, now: number): { readonly answer: boolean } | HeartbeatRefused {
    if (heartbeat.name === this.#name) return 'own-name';
    const peer = this.#peers.get(heartbeat.name);
    if (peer === undefined) return 'unknown-name';
    const { boot, counter } = heartbeat;
    if (peer.retired.includes(boot)) return 'retired-boot';
    const started = boot !== peer.boot;
    if (!started && counter <= peer.counter) return 'replayed';
    if (started) restart(peer, boot);
    peer.counter = counter;
    peer.heardAt = now;
    const hearsUs = heartbeat.heard.get(nameHash(this.#name)) === this.#boot;
    if (hearsUs) peer.mutualAt = now;
    peer.presence = heartbeat.presence;
    peer.interfaces = heartbeat.interfaces;
    collectClaims(peer, heartbeat);
    return { answer: started && heartbeat.presence !== 'gone' };
  }

  /** We slept for so long: what was not heard meanwhile may be waiting to be read. */
  forgive(ms: number): void {
    for (const peer of this.#peers.values()) {
      peer.heardAt += ms;
      peer.mutualAt += ms;
    }
  }

  /** Everybody who lives, with ourselves. */
  members(now: number): Map<string, Member> {
    const members = new Map<string, Member>();
    members.set(this.#name, {
      name: this.#name,
      interfaces: this.#self.interfaces.map(({ name }) => name),
      claims: new Map(this.#self.claims),
      leaving: this.#presence !== 'here',
    });
    for (const peer of this.#peers.values()) {
      if (!this.#alive(peer, now)) continue;
      members.set(peer.name, {
        name: peer.name,
        interfaces: peer.interfaces.map(({ name }) => name),
        claims: peer.claims,
        leaving: peer.presence !== 'here',
      });
    }
    return members;
  }

  /** Which speaker has this MAC, alive or not; null for none that was ever heard. */
  speakerOf(mac: number): string | null {
    for (const { name, interfaces } of this.#peers.values())
      if (interfaces.some((entry) => entry.mac === mac)) return name;
    return null;
  }

  /** What to send to all now, one datagram or, with `all`, every part of the claims. */
  heartbeats(now: number, all: boolean): Heartbeat[] {
    const { interfaces, claims } = this.#self;
    const parts = Math.min(MOST_PARTS, Math.max(1, Math.ceil(claims.length / CLAIMS_PER_PART)));
    const heard = new Map<number, bigint>();
    for (const peer of this.#peers.values())
      if (now < peer.heardAt + this.detectMs && peer.presence !== 'gone')
        heard.set(nameHash(peer.name), peer.boot);
    const made: Heartbeat[] = [];
    for (let n = all ? parts : 1; n > 0; n--) {
      const part = this.#nextPart % parts;
      this.#nextPart = (part + 1) % parts;
      const from = part * CLAIMS_PER_PART;
      made.push({
        name: this.#name,
        boot: this.#boot,
        counter: ++this.#counter,
        presence: this.#presence,
        heard,
        interfaces,
        claims: claims.slice(from, from + CLAIMS_PER_PART),
        part,
        parts,
      });
    }
    return made;
  }

  /** When the first of those who live will be lost, if nothing is heard; infinite for never. */
  deadline(now: number): number {
    let due = Number.POSITIVE_INFINITY;
    for (const peer of this.#peers.values())
      if (this.#alive(peer, now)) due = Math.min(due, Math.min(peer.heardAt, peer.mutualAt) + this.detectMs);
    return due;
  }

  #alive({ presence, heardAt, mutualAt }: Peer, now: number): boolean {
    return presence !== 'gone' && now < heardAt + this.detectMs && now < mutualAt + this.detectMs;
  }
}

function newPeer(name: string): Peer {
  return {
    name,
    boot: 0n,
    counter: 0n,
    heardAt: Number.NEGATIVE_INFINITY,
    mutualAt: Number.NEGATIVE_INFINITY,
    presence: 'here',
    interfaces: [],
    claims: new Map(),
    collected: new Map(),
    parts: 0,
    retired: [],
  };
}

function restart(peer: Peer, boot: bigint): void {
  if (peer.boot !== 0n) peer.retired.push(peer.boot);
  if (peer.retired.length > MOST_RETIRED) peer.retired.shift();
  peer.boot = boot;
  peer.mutualAt = Number.NEGATIVE_INFINITY;
  peer.collected = new Map();
  peer.claims = new Map();
}

/** Once all parts are there each one that comes replaces its predecessor. */
function collectClaims(peer: Peer, { part, parts, claims }: Heartbeat): void {
  const collected = new Map(parts === peer.parts ? peer.collected : []);
  collected.set(part, claims);
  peer.parts = parts;
  peer.collected = collected;
  if (collected.size === parts) peer.claims = new Map([...collected.values()].flat());
}

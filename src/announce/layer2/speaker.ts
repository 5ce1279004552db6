/** The speaker of this node: sockets and clock around {@link Membership} and {@link Ownership}. */
import { randomBytes } from 'node:crypto';
import { SecretBytes } from '../../model/snapshot.ts';
import { formatMac } from '../mac.ts';
import { Membership } from '../membership/membership.ts';
import { decodeHeartbeat, encodeHeartbeat, MOST_INTERFACES } from '../membership/packet.ts';
import { HeartbeatPort } from '../membership/port.ts';
import { burstAt } from './bursts.ts';
import { Ownership, type OwnershipAction } from './ownership.ts';
import type { AddressCounters, Segment } from './segment.ts';
import { Segments } from './segments.ts';
import type { Layer2Conflict, Layer2Status } from './status.ts';
import type { WantedAddress } from './wanted.ts';

export interface Layer2Settings {
  /** Our own name among the nodes. */
  readonly node: string;
  /** UDP port of the heartbeats, the same on all nodes. */
  readonly port: number;
  /** Where to listen for them; null for every address. */
  readonly address: string | null;
  /** Shared by all speakers; null: without others. */
  readonly key: Uint8Array | null;
  /** Milliseconds between heartbeats. */
  readonly intervalMs: number;
  /** A speaker is lost after so many that were missed. */
  readonly missed: number;
  /** Regular expressions of interfaces that are never used. */
  readonly excludedInterfaces: readonly string[];
  /** How long who serves an address may take to let it go before it is handed over; 0: nobody is asked. */
  readonly releaseMs: number;
}

export interface Layer2Wanted {
  readonly addresses: readonly WantedAddress[];
  /** The other speakers: names of nodes and the addresses at which they hear heartbeats. */
  readonly peers: readonly { readonly node: string; readonly addresses: readonly string[] }[];
}

export interface Layer2Events {
  /** Something changed; at most once per turn of the event loop. */
  onStatus(status: Layer2Status): void;
  onConflict(conflict: Layer2Conflict): void;
  /** What an operator should know. */
  onProblem(text: string): void;
  /** Another speaker is to take the address: let it go and say so by {@link Layer2Speaker.released}. */
  onRelease(address: string): void;
  /** The address has gone, or stays after all. */
  onRetain(address: string): void;
}

interface Announced {
  interfaces: readonly string[];
  since: number;
  /** Bursts that were sent. */
  bursts: number;
}

const PROBE_MS = 100;
const RETRY_MS = 500;
/** One report for an address and a foreign host in this time. */
const CONFLICT_MS = 60_000;
/** How long others have to take our addresses when we leave. */
const LEAVE_MS = 2000;
const MOST_CONFLICTS = 1000;

export class Layer2Speaker {
  readonly #settings: Layer2Settings;
  readonly #events: Layer2Events;
  readonly #key: SecretBytes | null;
  readonly #membership: Membership;
  readonly #ownership: Ownership;
  readonly #port: HeartbeatPort;
  readonly #segments: Segments;
  readonly #announced = new Map<string, Announced>();
  readonly #conflicts = new Map<string, Layer2Conflict & { seenAt: number }>();
  readonly #ignored = new Map<string, number>();
  readonly #heartbeat: NodeJS.Timeout;
  #hosts: readonly string[] = [];
  #timer: NodeJS.Timeout | null = null;
  /** When the timer fires; infinite without one. */
  #due = Number.POSITIVE_INFINITY;
  #beatAt: number;
  #reporting = false;
  /** Names of the members that the last report had. */
  #known = '';
  #left: (() => void) | null = null;

  constructor(settings: Layer2Settings, events: Layer2Events) {
    const { node, key, intervalMs, missed, port, address, releaseMs } = settings;
    const now = performance.now();
    this.#settings = settings;
    this.#events = events;
    this.#key = key === null ? null : new SecretBytes(key);
    this.#membership = new Membership(node, randomBytes(8).readBigUInt64BE(), { intervalMs, missed });
    const timing = { detectMs: this.#membership.detectMs, probeMs: PROBE_MS, retryMs: RETRY_MS, releaseMs };
    this.#ownership = new Ownership(node, timing, now);
    const { onProblem } = events;
    this.#port = new HeartbeatPort({
      port,
      address,
      onDatagram: (bytes) => this.#onDatagram(bytes),
      onProblem,
    });
    this.#segments = new Segments(settings.excludedInterfaces, {
      onChange: () => setImmediate(() => this.#interfacesChanged()),
      onClaim: (segment, address, mac) => this.#onClaim(segment, address, mac),
      onProbe: (segment, address, mac) =>
        this.#ownership.probed(address, mac < segment.interface.mac, performance.now()),
      onProblem,
    });
    this.#beatAt = now;
    this.#heartbeat = setInterval(() => this.#beat(), intervalMs);
    this.#tellSelf();
  }

  /** From now on this is how it should be. */
  apply({ addresses, peers }: Layer2Wanted): void {
    const others = peers.filter(({ node }) => node !== this.#settings.node);
    this.#membership.setPeers(this.#key === null ? [] : others.map(({ node }) => node));
    this.#hosts = this.#key === null ? [] : others.flatMap(({ addresses }) => addresses);
    this.#port.listenFor(this.#hosts);
    const now = performance.now();
    this.#perform(this.#ownership.plan(addresses, now), now);
    this.#settle(now);
  }

  get status(): Layer2Status {
    const now = performance.now();
    const members = this.#membership.members(now);
    const owners = (address: string) =>
      [...members.values()].filter(({ claims }) => claims.has(address)).map(({ name }) => name);
    return {
      node: this.#settings.node,
      addresses: [...this.#ownership.status()].map((entry) => ({
        ...entry,
        owners: owners(entry.address),
        interfaces: this.#announced.get(entry.address)?.interfaces ?? [],
        counters: this.#countersOf(entry.address),
      })),
      members: [...members.values()].map(({ name, interfaces, leaving }) => ({ name, interfaces, leaving })),
      interfaces: [...this.#segments.open.values()].map(({ interface: { name, mac }, counters }) => ({
        name,
        mac: formatMac(mac),
        counters: { ...counters, ignored: [...counters.ignored] },
      })),
      conflicts: [...this.#conflicts.values()].map(({ address, mac, interface: on }) => ({
        address,
        mac,
        interface: on,
      })),
      heartbeatsIgnored: [...this.#ignored],
    };
  }

  /** Who serves the address has let it go. */
  released(address: string): void {
    this.#ownership.released(address);
    this.#send(true);
  }

  /** Hands all addresses over; resolves when others have them, or nobody took them for two seconds. */
  async leave(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#left = resolve;
    this.#membership.setPresence('leaving');
    this.#ownership.leave();
    // Who is not heard just now may be so in a moment.
    const late = setTimeout(resolve, this.#hosts.length === 0 ? 0 : LEAVE_MS);
    this.#step(performance.now());
    this.#send(true);
    await promise;
    clearTimeout(late);
    this.close();
  }

  close(): void {
    this.#left = null;
    this.#membership.setPresence('gone');
    this.#send(false);
    clearInterval(this.#heartbeat);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#segments.close();
    // The last datagram is still on its way out.
    setImmediate(() => this.#port.close());
  }

  #beat(): void {
    const now = performance.now();
    // Asleep ourselves, we could not hear the others; what they said is read before the next beat.
    const late = now - this.#beatAt - this.#settings.intervalMs;
    this.#beatAt = now;
    if (late > this.#settings.intervalMs) this.#membership.forgive(late);
    this.#send(false);
    this.#step(now);
  }

  #step(now: number): void {
    const members = this.#membership.members(now);
    this.#perform(this.#ownership.members(members, now), now);
    this.#settle(now);
    const names = [...members.keys()].join();
    if (names !== this.#known) this.#report();
    this.#known = names;
  }

  /** After anything that may have changed what we answer for, or when something is due next. */
  #settle(now: number): void {
    for (const [address, announced] of this.#announced)
      for (; announced.since + burstAt(announced.bursts) <= now; announced.bursts++)
        this.#on(announced.interfaces, (segment) => segment.announce(address));
    if (this.#left !== null && this.#announced.size === 0) this.#left();
    this.#arm(now);
  }

  #arm(now: number): void {
    let due = Math.min(this.#membership.deadline(now), this.#ownership.deadline());
    for (const { since, bursts } of this.#announced.values()) due = Math.min(due, since + burstAt(bursts));
    // What is due later than the next beat is looked at then; too early does no harm.
    if (due >= Math.min(this.#due, now + this.#settings.intervalMs)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#wake(), Math.max(1, Math.ceil(due - now)));
  }

  #wake(): void {
    this.#due = Number.POSITIVE_INFINITY;
    this.#timer = null;
    this.#step(performance.now());
  }

  #perform(actions: readonly OwnershipAction[], now: number): void {
    if (actions.length === 0) return;
    for (const action of actions) this.#performOne(action, now);
    if (actions.some(({ type }) => type !== 'probe')) this.#send(true);
    this.#report();
  }

  #performOne(action: OwnershipAction, now: number): void {
    const { type, address } = action;
    switch (type) {
      case 'probe':
        return this.#on(action.interfaces, (segment) => segment.probe(address));
      case 'withdraw':
        this.#on(null, (segment) => segment.disown(address));
        this.#announced.delete(address);
        return this.#events.onRetain(address);
      case 'release':
        return this.#events.onRelease(address);
      case 'retain':
        return this.#events.onRetain(address);
      case 'announce':
        this.#on(null, (segment) => {
          if (action.interfaces.includes(segment.interface.name)) segment.own(address);
          else segment.disown(address);
        });
        return void this.#announced.set(address, {
          interfaces: action.interfaces,
          since: now,
          bursts: 0,
        });
      default:
        return type satisfies never;
    }
  }

  #countersOf(address: string): AddressCounters | null {
    if (!this.#announced.has(address)) return null;
    const sum = { requests: 0, responses: 0, gratuitous: 0 };
    for (const segment of this.#segments.open.values()) {
      const { requests = 0, responses = 0, gratuitous = 0 } = segment.countersOf(address) ?? {};
      sum.requests += requests;
      sum.responses += responses;
      sum.gratuitous += gratuitous;
    }
    return sum;
  }

  #on(names: readonly string[] | null, perform: (segment: Segment) => void): void {
    for (const [name, segment] of this.#segments.open)
      if (names === null || names.includes(name)) perform(segment);
  }

  #tellSelf(): void {
    this.#membership.setSelf({
      interfaces: [...this.#segments.open.values()]
        .slice(0, MOST_INTERFACES)
        .map(({ interface: { name, mac } }) => ({ name, mac })),
      claims: [...this.#ownership.claims()],
    });
  }

  #interfacesChanged(): void {
    // What comes back knows nothing; what the plan wants there is announced again.
    for (const [address, { interfaces }] of this.#announced)
      this.#on(interfaces, (segment) => segment.own(address));
    this.#send(true);
    this.#step(performance.now());
    this.#report();
  }

  #onDatagram(bytes: Buffer): void {
    if (this.#key === null) return;
    const heartbeat = decodeHeartbeat(bytes, this.#key);
    if (typeof heartbeat === 'string') return this.#ignore(heartbeat);
    const now = performance.now();
    const result = this.#membership.receive(heartbeat, now);
    if (typeof result === 'string') return this.#ignore(result);
    if (result.answer) this.#send(false);
    this.#step(now);
  }

  #ignore(reason: string): void {
    this.#ignored.set(reason, (this.#ignored.get(reason) ?? 0) + 1);
  }

  #send(all: boolean): void {
    this.#tellSelf();
    if (this.#key === null || this.#hosts.length === 0) return;
    for (const heartbeat of this.#membership.heartbeats(performance.now(), all))
      this.#port.send(encodeHeartbeat(heartbeat, this.#key), this.#hosts);
  }

  #onClaim(segment: Segment, address: string, mac: number): void {
    const now = performance.now();
    const speaker = this.#membership.speakerOf(mac);
    if (speaker === null) this.#onConflict(segment, address, mac, now);
    this.#perform(this.#ownership.answered(address, speaker, now), now);
    this.#settle(now);
  }

  #onConflict(segment: Segment, address: string, mac: number, now: number): void {
    const conflict = { address, mac: formatMac(mac), interface: segment.interface.name };
    const key = `${address} ${mac}`;
    const known = this.#conflicts.get(key);
    if (known === undefined && this.#conflicts.size >= MOST_CONFLICTS) return;
    if (known !== undefined && now < known.seenAt + CONFLICT_MS) return;
    this.#conflicts.set(key, { ...conflict, seenAt: now });
    this.#events.onConflict(conflict);
    this.#report();
  }

  #report(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    setImmediate(() => {
      this.#reporting = false;
      this.#events.onStatus(this.status);
    });
  }
}

/** All peers of this node: sessions come, change and go as their configuration does. */
import { isOnLink } from '../address.ts';
import type { BfdEngine } from '../bfd/engine.ts';
import { BgpListener, type ListenAddress } from './listener.ts';
import { CeaseReason } from './notification.ts';
import { needsNewSession, type PeerConfig } from './peer.ts';
import type { Route } from './rib-out.ts';
import { Session, type SessionStatus } from './session.ts';

export interface BgpPlan {
  readonly peers: readonly PeerConfig[];
  /** What each peer should know, by its name. */
  readonly routes: ReadonlyMap<string, readonly Route[]>;
}

export interface SpeakerEvents {
  onChange(status: SessionStatus): void;
  /** Something an operator should know that no session's status tells. */
  onProblem(text: string): void;
}

interface Slot {
  session: Session;
  /** Stops watching; null without BFD. */
  stopBfd: (() => void) | null;
}

export class BgpSpeaker {
  readonly #events: SpeakerEvents;
  readonly #bfd: BfdEngine;
  readonly #slots = new Map<string, Slot>();
  /** Sessions that are saying goodbye, by name: their successors wait for them. */
  readonly #leaving = new Map<string, Promise<void>>();
  #plan: BgpPlan = { peers: [], routes: new Map() };
  #listeners: BgpListener[] = [];

  constructor(bfd: BfdEngine, events: SpeakerEvents) {
    this.#bfd = bfd;
    this.#events = events;
  }

  /** Listens for peers that dial; resolves to the ports that are bound. What does not work is a problem. */
  async listen(addresses: readonly ListenAddress[]): Promise<number[]> {
    for (const address of addresses) {
      const listener = new BgpListener(address, () => this.#sessions());
      const failure = await listener.listen(address);
      if (failure !== null) this.#events.onProblem(failure);
      else this.#listeners.push(listener);
    }
    return this.#listeners.map(({ port }) => port);
  }

  /** From here on this is how it should be. */
  apply(plan: BgpPlan): void {
    this.#plan = plan;
    const wanted = new Map(plan.peers.map((peer) => [peer.name, peer]));
    for (const [name, { session }] of this.#slots) {
      const peer = wanted.get(name);
      if (peer === undefined) this.#remove(name, CeaseReason.peerDeconfigured);
      else if (needsNewSession(session.config, peer))
        this.#remove(name, CeaseReason.otherConfigurationChange);
    }
    for (const peer of plan.peers) this.#bring(peer);
    this.#syncPasswords();
  }

  get status(): SessionStatus[] {
    return [...this.#sessions()].map(({ status }) => status);
  }

  /**
   * `silent`: as if it had crashed; `restart`: so for peers that keep the routes then (graceful restart); `shutdown`:
   * with a word to all.
   */
  async stop(
    how:
      | { readonly kind: 'silent' }
      | { readonly kind: 'restart'; readonly text: string }
      | { readonly kind: 'shutdown'; readonly text: string },
  ): Promise<void> {
    this.#plan = { peers: [], routes: new Map() };
    const closing = this.#listeners.map((listener) => listener.close());
    for (const { stopBfd } of this.#slots.values()) stopBfd?.();
    const stopping = [...this.#sessions()].map((session) => {
      const keeps = session.status.negotiated?.gracefulRestart === true;
      if (how.kind === 'silent' || (how.kind === 'restart' && keeps)) return session.stop({ kind: 'silent' });
      return session.stop({ kind: 'cease', subcode: CeaseReason.administrativeShutdown, text: how.text });
    });
    await Promise.all(stopping);
    this.#slots.clear();
    await Promise.all([...closing, ...this.#leaving.values()]);
  }

  *#sessions(): Iterable<Session> {
    for (const { session } of this.#slots.values()) yield session;
  }

  #bring(peer: PeerConfig): void {
    const { name } = peer;
    const slot = this.#slots.get(name);
    if (slot !== undefined) {
      if (JSON.stringify(slot.session.config.bfd) !== JSON.stringify(peer.bfd)) this.#watch(slot, peer);
    } else if (!this.#leaving.has(name)) this.#add(peer);
    this.#slots.get(name)?.session.set(this.#plan.routes.get(name) ?? []);
  }

  #add(peer: PeerConfig): void {
    const session = new Session(peer, this.#events);
    const slot: Slot = { session, stopBfd: null };
    this.#slots.set(peer.name, slot);
    this.#watch(slot, peer);
    // A listener must know its password before the peer dials, and the peer may dial once it hears from us.
    this.#syncPasswords();
    session.start();
  }

  #watch(slot: Slot, { address, bfd, sourceAddress, hops, device }: PeerConfig): void {
    const stopBefore = slot.stopBfd;
    slot.session.setBfd(bfd);
    slot.stopBfd =
      bfd === null
        ? null
        : this.#bfd.watch(
            { ...bfd, address, sourceAddress, multihop: hops > 1 || !isOnLink(address), device },
            () => slot.session.bfdDown(),
          );
    // Only now: a session that is still watched goes on with other intervals (RFC 5880 section 6.8.3).
    stopBefore?.();
  }

  /** A peer with the same name starts once this one is gone. */
  #remove(name: string, subcode: number): void {
    const slot = this.#slots.get(name);
    if (slot === undefined) return;
    this.#slots.delete(name);
    slot.stopBfd?.();
    const gone = slot.session.stop({ kind: 'cease', subcode, text: '' }).then(() => {
      this.#leaving.delete(name);
      const successor = this.#plan.peers.find((peer) => peer.name === name);
      if (successor !== undefined) this.#bring(successor);
    });
    this.#leaving.set(name, gone);
  }

  #syncPasswords(): void {
    for (const listener of this.#listeners)
      for (const [address, why] of listener.syncPasswords())
        this.#events.onProblem(`TCP MD5 for connections from ${address} cannot be set: ${why}`);
  }
}

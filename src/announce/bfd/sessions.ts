/** All BFD sessions of this host: their sockets and timers, and which packet belongs to which. */
import { addressBytes, socketAddress, splitScope } from '../address.ts';
import type { BfdEngine, BfdTarget } from './engine.ts';
import { type BfdPacket, decodePacket, encodePacket } from './packet.ts';
import { BfdListener, BfdSender, MULTIHOP_PORT, SINGLE_HOP_PORT } from './port.ts';
import { type BfdAction, BfdSession } from './session.ts';
import type { BfdStatus } from './status.ts';

export interface BfdSessionsEvents {
  onChange(status: BfdStatus): void;
  onProblem(text: string): void;
}

interface Entry {
  /** Equal for targets that can only have one session (RFC 5881 section 2). */
  readonly key: string;
  target: BfdTarget;
  readonly discriminator: number;
  readonly session: BfdSession;
  readonly sender: BfdSender;
  readonly listener: string;
  /** Those who want to know of a loss; several BGP sessions may depend on one peer. */
  readonly watchers: Set<Watcher>;
  timer: NodeJS.Timeout | null;
  /** When that is due. */
  timerAt: number;
  losses: number;
  sent: number;
  received: number;
}

interface Watcher {
  readonly onDown: () => void;
}

const DIRECT_TTL = 255;
/** A timer that comes later than this has waited for something else that ran. */
const LATE_MS = 20;

export class BfdSessions implements BfdEngine {
  readonly #events: BfdSessionsEvents;
  readonly #entries = new Map<number, Entry>();
  readonly #listeners = new Map<string, BfdListener>();
  /** Packets that no session wanted, by reason. */
  readonly #discarded = new Map<string, number>();

  constructor(events: BfdSessionsEvents) {
    this.#events = events;
  }

  watch(target: BfdTarget, onDown: () => void): () => void {
    const watcher: Watcher = { onDown };
    const key = `${target.address} ${target.sourceAddress} ${target.multihop} ${target.device}`;
    const known = [...this.#entries.values()].find((entry) => entry.key === key);
    if (known !== undefined) {
      known.watchers.add(watcher);
      this.#reconfigure(known, target);
      return () => this.#leave(known, watcher);
    }
    const entry = this.#open(key, target, watcher);
    if (typeof entry === 'string') {
      this.#events.onProblem(
        `BFD with ${target.address} is not possible: ${entry}. The session goes on without.`,
      );
      return () => {};
    }
    this.#entries.set(entry.discriminator, entry);
    this.#allow(entry.listener);
    this.#arm(entry);
    return () => this.#leave(entry, watcher);
  }

  /** The session goes on with the intervals of who came last. */
  #reconfigure(entry: Entry, target: BfdTarget): void {
    if (JSON.stringify(entry.target) === JSON.stringify(target)) return;
    entry.target = target;
    this.#allow(entry.listener);
    const { discriminator, session } = entry;
    this.#perform(entry, session.configure({ ...target, discriminator }, performance.now()));
  }

  #leave(entry: Entry, watcher: Watcher): void {
    entry.watchers.delete(watcher);
    if (entry.watchers.size === 0) this.#stop(entry);
  }

  get discarded(): ReadonlyMap<string, number> {
    return this.#discarded;
  }

  get status(): BfdStatus[] {
    return [...this.#entries.values()].map(statusOf);
  }

  close(): void {
    for (const entry of this.#entries.values()) this.#stop(entry);
  }

  #open(key: string, target: BfdTarget, watcher: Watcher): Entry | string {
    const family = splitScope(target.address)?.ip.family ?? 4;
    const port = target.multihop ? MULTIHOP_PORT : SINGLE_HOP_PORT;
    const any = family === 4 ? '0.0.0.0' : '::';
    const source = socketAddress(target.sourceAddress ?? any, 0);
    if (source === null) return `there is no ${target.sourceAddress} on this host`;
    const listener = this.#listen(family, port, target.device);
    if (listener.failure !== null) return listener.failure;
    const sender = BfdSender.open(source, target.address, port, target.device);
    if (typeof sender === 'string') return sender;
    const discriminator = this.#newDiscriminator();
    return {
      key,
      target,
      discriminator,
      session: new BfdSession({ ...target, discriminator }, Math.random, performance.now()),
      sender,
      listener: listener.key,
      watchers: new Set([watcher]),
      timer: null,
      timerAt: 0,
      losses: 0,
      sent: 0,
      received: 0,
    };
  }

  #listen(family: 4 | 6, port: number, device: string | null): { key: string; failure: string | null } {
    const key = `${family} ${port} ${device ?? ''}`;
    if (this.#listeners.has(key)) return { key, failure: null };
    const listener = BfdListener.open(family, port, device, (bytes, from) => this.#onPacket(bytes, from));
    if (typeof listener === 'string')
      return { key, failure: `UDP port ${port} cannot be listened on (${listener})` };
    this.#listeners.set(key, listener);
    return { key, failure: null };
  }

  /** Unpredictable, so that nobody off the path can guess one. */
  #newDiscriminator(): number {
    for (;;) {
      const candidate = Math.floor(Math.random() * 0xffff_ffff) + 1;
      if (candidate <= 0xffff_ffff && !this.#entries.has(candidate)) return candidate;
    }
  }

  /** Tells the kernel whose packets a listener wants; one that nobody needs is closed. */
  #allow(key: string): void {
    const users = [...this.#entries.values()].filter(({ listener }) => listener === key);
    const listener = this.#listeners.get(key);
    if (users.length === 0) {
      listener?.close();
      this.#listeners.delete(key);
      return;
    }
    const failure = listener?.allow(
      users.map(({ target }) => {
        const { family, value } = splitScope(target.address)!.ip; // it was opened
        return {
          address: addressBytes(family, value),
          minimumTtl: target.multihop ? target.minimumTtl : DIRECT_TTL,
        };
      }),
    );
    if (failure) this.#events.onProblem(`BFD hears nothing: the packet filter cannot be set (${failure}).`);
  }

  #onPacket(bytes: Buffer, from: string): void {
    const packet = decodePacket(bytes);
    if (typeof packet === 'string') return this.#discard(packet);
    const entry = this.#find(packet, from);
    if (entry === undefined) return this.#discard('no-session');
    entry.received++;
    this.#perform(entry, entry.session.receive(packet, performance.now()));
  }

  /** RFC 5880 section 6.3: by our discriminator; before the peer knows it, by where the packet comes from. */
  #find(packet: BfdPacket, from: string): Entry | undefined {
    const candidate = this.#entries.get(packet.yourDiscriminator);
    if (packet.yourDiscriminator !== 0)
      return candidate !== undefined && sameAddress(candidate.target.address, from) ? candidate : undefined;
    for (const entry of this.#entries.values()) if (sameAddress(entry.target.address, from)) return entry;
    return undefined;
  }

  #discard(reason: string): void {
    this.#discarded.set(reason, (this.#discarded.get(reason) ?? 0) + 1);
  }

  #perform(entry: Entry, actions: readonly BfdAction[]): void {
    for (const action of actions) {
      if (action.type === 'send') {
        entry.sent++;
        entry.sender.send(encodePacket(action.packet));
        continue;
      }
      const lost = action.from === 'Up' && (action.cause === 'silence' || action.cause === 'peer-down');
      if (lost) {
        entry.losses++;
        for (const { onDown } of [...entry.watchers]) onDown();
      }
      this.#events.onChange(statusOf(entry));
    }
    this.#arm(entry);
  }

  #arm(entry: Entry): void {
    const { deadline } = entry.session;
    if (deadline === Number.POSITIVE_INFINITY || !this.#entries.has(entry.discriminator)) return;
    // Each packet that arrives puts the end of the detection time off; a timer that is due before looks again then.
    if (entry.timer !== null && entry.timerAt <= deadline) return;
    if (entry.timer !== null) clearTimeout(entry.timer);
    // Node leaves fractions out: rounded down it would wake up twice.
    const wait = Math.ceil(Math.max(0, deadline - performance.now()));
    entry.timerAt = deadline;
    entry.timer = setTimeout(() => this.#onTimer(entry), wait);
  }

  /** Timers run before sockets are read: after a pause of ours, what came during it is heard before anybody is lost. */
  #onTimer(entry: Entry): void {
    entry.timer = null;
    const tick = () => {
      if (this.#entries.has(entry.discriminator)) this.#perform(entry, entry.session.tick(performance.now()));
    };
    if (performance.now() - entry.timerAt > LATE_MS) setImmediate(tick);
    else tick();
  }

  #stop(entry: Entry): void {
    if (!this.#entries.delete(entry.discriminator)) return;
    if (entry.timer !== null) clearTimeout(entry.timer);
    entry.sender.send(encodePacket(entry.session.farewell()));
    entry.sender.close();
    this.#allow(entry.listener);
  }
}

/** A peer that is given without interface is the same on any. */
function sameAddress(peer: string, from: string): boolean {
  const a = splitScope(peer);
  const b = splitScope(from);
  if (a === null || b === null || a.ip.family !== b.ip.family || a.ip.value !== b.ip.value) return false;
  return a.scope === '' || a.scope === b.scope;
}

function statusOf({ target, session, losses, sent, received }: Entry): BfdStatus {
  return {
    address: target.address,
    state: session.state,
    remoteState: session.remoteState,
    transmitMs: session.transmitMs,
    detectMs: session.detectMs,
    losses,
    sent,
    received,
  };
}

/**
 * One endpoint as a worker sees it: its connections, the requests it serves and how it has behaved. Shared by
 * all upstreams that speak in the same way to its address, and kept over table swaps as long as one of them does.
 */
import { formatSocketAddress } from '../../model/ip-text.ts';
import type { UpstreamProtocol } from '../../model/routing-table.ts';
import type { Timed, TimerWheel } from '../timers.ts';
import type { OutgoingTls } from '../tls/outgoing.ts';

/** A connection that a pool can hold. */
export interface PooledConnection {
  /** It carries a request. */
  readonly busy: boolean;
  /** Takes it out of service: now when idle, else when its exchanges are done. */
  retire(): void;
}

/** Something that waits for a connection of an endpoint. */
export interface Waiter {
  /** A connection is free, one may be opened, or the endpoint leaves. */
  onTurn(): void;
}

/** Consecutive failures after which an endpoint is left out for a while. */
const FAILURES_TO_EJECT = 5;
const EJECTION_MS = 30_000;
const LONGEST_EJECTION_MS = 300_000;
/** Half-life, in ms, of what is remembered of response times. */
const LATENCY_HALF_LIFE_MS = 5000;

export class Endpoint<C extends PooledConnection = PooledConnection> implements Timed {
  /** Address and port, for logs. */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: UpstreamProtocol;
  /** null: in clear. */
  readonly tls: OutgoingTls | null;
  /**
   * Connections that can take a request at once: idle ones of HTTP/1, those of HTTP/2 with room for a stream. Most
   * recently used last: warm connections are reused, surplus ones grow old and close. They put themselves in and out.
   */
  readonly ready: C[] = [];
  /** Streams that one HTTP/2 connection takes: what the last one was told, before that what RFC 9113 6.5.2 expects. */
  streamLimit = 100;
  /** Connections open or being opened, idle ones included. */
  open = 0;
  inFlight = 0;
  ejected = false;
  /** No upstream names it any more: what runs may finish. */
  draining = false;
  /** Upstreams that name it; called when it comes into or goes out of service. */
  readonly users = new Set<{ refresh(): void }>();
  readonly #waiters: Waiter[] = [];
  #latencyMs = 0;
  #latencyAt = 0;
  #failures = 0;
  #ejections = 0;
  readonly #wheel: TimerWheel;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(
    address: string,
    port: number,
    protocol: UpstreamProtocol,
    tls: OutgoingTls | null,
    wheel: TimerWheel,
  ) {
    this.key = formatSocketAddress(address, port);
    this.address = address;
    this.port = port;
    this.protocol = protocol;
    this.tls = tls;
    this.#wheel = wheel;
  }

  succeeded(): void {
    this.#failures = 0;
    // It has come back for good: the next ejection is a first one again.
    if (!this.ejected) this.#ejections = 0;
  }

  /** Counts a failure of the endpoint itself. True when this one put it out of service. */
  failed(): boolean {
    if (this.ejected || ++this.#failures < FAILURES_TO_EJECT) return false;
    this.#failures = 0;
    this.#ejections++;
    this.ejected = true;
    this.#wheel.set(this, Math.min(EJECTION_MS * this.#ejections, LONGEST_EJECTION_MS));
    for (const user of this.users) user.refresh();
    return true;
  }

  /** The ejection is over. */
  onDeadline(): void {
    this.ejected = false;
    for (const user of this.users) user.refresh();
  }

  /**
   * Response time to expect, in ms; 0 when nothing is known. What was observed fades with time, whether or not requests
   * come: an endpoint that nobody chose because it was slow is tried again.
   */
  get expectedMs(): number {
    return this.#latencyMs * remembered(this.#wheel.now - this.#latencyAt);
  }

  /** Peak-sensitive moving average: a slower answer counts at once, a faster one by and by. */
  observeLatency(ms: number, now: number): void {
    if (ms >= this.#latencyMs) this.#latencyMs = ms;
    else this.#latencyMs = ms + (this.#latencyMs - ms) * remembered(now - this.#latencyAt);
    this.#latencyAt = now;
  }

  /** Whether a request can go there at once, when `connections` may be open. */
  hasRoom(connections: number): boolean {
    return this.ready.length > 0 || this.open < connections;
  }

  wait(waiter: Waiter): void {
    this.#waiters.push(waiter);
  }

  /** For one whose turn came to nothing: it stays the first. */
  waitOn(waiter: Waiter): void {
    this.#waiters.unshift(waiter);
  }

  stopWaiting(waiter: Waiter): void {
    const i = this.#waiters.indexOf(waiter);
    if (i >= 0) this.#waiters.splice(i, 1);
  }

  /** A connection became free or was closed: the longest waiting gets its turn. False when nobody waits. */
  wake(): boolean {
    const waiter = this.#waiters.shift();
    waiter?.onTurn();
    return waiter !== undefined;
  }

  /** Closes idle connections, lets the others end with their exchanges, and sends who waits for one elsewhere. */
  drain(): void {
    this.draining = true;
    this.#wheel.remove(this);
    while (this.ready.length > 0) this.ready.pop()!.retire();
    for (const waiter of this.#waiters.splice(0)) waiter.onTurn();
  }
}

/** What share of a response time counts after `ms`; the wheel's clock may be a little behind. */
function remembered(ms: number): number {
  return ms > 0 ? 0.5 ** (ms / LATENCY_HALF_LIFE_MS) : 1;
}

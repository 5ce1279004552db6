/**
 * Tells a backend that is dead from one that has nothing to say: after a while without a byte it is asked by PING.
 * Seldom, because gRPC servers take more than two PINGs within five minutes of silence for an attack (gRPC's
 * "keepalive enforcement"). Pure: time is given, in milliseconds.
 */

/**
 * How long after one question the next is due, while no response makes progress. Calls that clients give up are no
 * progress: the server has not sent a thing.
 */
const PAUSES_MS = [0, 60_000, 310_000];

export class SilenceWatch {
  static readonly ASK = -1;
  static readonly DEAD = -2;
  /** Silence after which to ask, and again after which to give up; 0: never. */
  readonly #patienceMs: number;
  #heardAt: number;
  #askedAt = 0;
  #waiting = false;
  /** Questions since a response made progress. */
  #questions = 0;

  constructor(patienceMs: number, now: number) {
    this.#patienceMs = patienceMs;
    this.#heardAt = now;
  }

  /** Any byte came. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#waiting = false;
  }

  /** A part of a response came. */
  active(): void {
    this.#questions = 0;
  }

  /** Streams are open from now on. Returns when to check first; 0 for never. */
  begin(now: number): number {
    this.#waiting = false;
    this.#heardAt = now;
    return this.#patienceMs;
  }

  /** ASK, DEAD, or in how many milliseconds to check again. */
  check(now: number): number {
    if (this.#waiting) return SilenceWatch.DEAD;
    const silent = now - this.#heardAt;
    const pause = PAUSES_MS[Math.min(this.#questions, PAUSES_MS.length - 1)]!;
    const wait = Math.max(this.#patienceMs - silent, this.#askedAt + pause - now);
    return wait > 0 ? wait : SilenceWatch.ASK;
  }

  /** The question was asked. Returns in how many milliseconds an answer must be here. */
  asked(now: number): number {
    this.#waiting = true;
    this.#askedAt = now;
    this.#questions++;
    return this.#patienceMs;
  }
}

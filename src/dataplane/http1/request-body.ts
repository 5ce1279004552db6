/** The body of one request as it comes in: where it ends, and whether it comes fast enough. */
import type { Limits, Timeouts } from '../config.ts';
import { type BodySink, ChunkedDecoder, DONE, MORE } from './chunked.ts';

export class RequestBody {
  /** After DONE: position behind the body in the bytes that were given last. */
  end = 0;
  readonly #decoder: ChunkedDecoder | null;
  /** Bytes that are still to come; -1 in a chunked body. */
  left: number;
  /** Until when (ms of the timer wheel) its pace was looked at, and what came unseen since then. */
  #since: number;
  #unseen = 0;
  /** How long, in ms, the client may still send nothing; -1 until the first bytes: the grace. */
  #patience = -1;

  /** `length` in bytes, or -1 for a chunked body; `now` in ms of the timer wheel. */
  constructor(length: number, limits: Limits, now: number) {
    this.#decoder = length < 0 ? new ChunkedDecoder(limits) : null;
    this.left = length;
    this.#since = now;
  }

  /** Hands the body's part of `bytes[start, end)` to `sink`. Returns DONE, MORE, BAD or TOO_LARGE (chunked.ts). */
  feed(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    if (this.#decoder !== null) {
      const verdict = this.#decoder.feed(bytes, start, end, sink);
      this.end = this.#decoder.consumed;
      return verdict;
    }
    const stop = end - start < this.left ? end : start + this.left;
    this.left -= stop - start;
    this.end = stop;
    sink.onBody(bytes, start, stop, this.left === 0);
    return this.left === 0 ? DONE : MORE;
  }

  /** Bytes of a body of known length went on unseen. Returns DONE or MORE. */
  passed(size: number): number {
    this.left -= size;
    this.#unseen += size;
    return this.left === 0 ? DONE : MORE;
  }

  /** Whole lines; '' when there are none. */
  get trailers(): string {
    return this.#decoder === null ? '' : this.#decoder.trailers;
  }

  /** The client may go on, or starts: the time until now was not its own. */
  restartClock(now: number): void {
    this.#since = now;
  }

  /**
   * Counts bytes; false when they dribble in slower than the least rate (slow POST). Each byte buys the time that it
   * takes at that rate, but nobody saves up more than the grace and one idle time: a fast start buys no long dribble.
   */
  inTime(size: number, now: number, { bodyRate, bodyRateGrace, bodyIdle }: Timeouts): boolean {
    if (bodyRate === 0 || bodyRateGrace === 0) return true;
    const before = this.#patience < 0 ? bodyRateGrace : this.#patience;
    const bought = ((size + this.#unseen) * 1000) / bodyRate;
    const left = before + bought - (now - this.#since);
    this.#since = now;
    this.#unseen = 0;
    this.#patience = Math.min(left, bodyRateGrace + bodyIdle);
    return left >= 0;
  }
}

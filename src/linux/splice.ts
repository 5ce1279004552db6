/**
 * splice(2): bytes go from one socket to another inside the kernel, without being copied into this process and out
 * again. It needs a pipe in between, which is empty again after each call.
 */
import { constants as file, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { lastErrno, type SystemCalls, systemCalls } from './system.ts';

const O_NONBLOCK_CLOEXEC = 0o2004000;
const F_SETPIPE_SZ = 1031;
const SPLICE_F_MOVE_NONBLOCK = 3;

/** What the pipe is asked to hold, in bytes: a slot for each page, so less if the pages are not full. */
const PIPE_BYTES = 1_048_576;

const { errno } = constants;

/**
 * How a connection ends that ends in error. Whatever else makes `splice` fail (nothing waits, the system does not want
 * it) says nothing about the connection.
 */
const BROKEN: ReadonlySet<number> = new Set([
  errno.EPIPE,
  errno.ENETDOWN,
  errno.ENETUNREACH,
  errno.ENETRESET,
  errno.ECONNABORTED,
  errno.ECONNRESET,
  errno.ETIMEDOUT,
  errno.ECONNREFUSED,
  errno.EHOSTUNREACH,
]);

export interface SplicePipe {
  /** At most so many bytes go at once. */
  readonly most: number;
  /**
   * Moves up to `length` bytes that wait at the socket `from` to the socket `to`, both non-blocking. Returns how many left
   * `from`: 0 when none wait or at its end, which the next read of `from` tells. Below 0 it is the negative errno that the
   * connection of `from` ended with: the kernel tells it once, and a clean end ever after. What `to` did not take is
   * copied to the start of `overflow`, see {@link overflowed}; its errors the next write tells.
   */
  move(from: number, to: number, length: number, overflow: Uint8Array): number;
  /** How many bytes the last `move` put into `overflow`. */
  readonly overflowed: number;
}

const POLLIN = 1;
/** `struct pollfd`. */
const polled = new DataView(new ArrayBuffer(8));

/** Whether bytes, the end or an error wait to be read at a socket; false where the system cannot be asked. */
export function isReadable(socket: number): boolean {
  const calls = systemCalls();
  if (calls === null) return false;
  polled.setInt32(0, socket, true);
  polled.setInt16(4, POLLIN, true);
  return calls.poll(polled, 1n, 0) > 0;
}

/** One for all connections of a thread; null where the system has no such thing, or no descriptors left now. */
export function openSplicePipe(most: number): SplicePipe | null {
  const calls = systemCalls();
  const ends = new Int32Array(2);
  if (calls === null || calls.pipe2(ends, O_NONBLOCK_CLOEXEC) !== 0) return null;
  const out = ownedByThread(ends[0]!, file.O_RDONLY, calls);
  const into = ownedByThread(ends[1]!, file.O_WRONLY, calls);
  calls.fcntl(into, F_SETPIPE_SZ, PIPE_BYTES);
  const whole = BigInt(most);
  return {
    most,
    overflowed: 0,
    move(from, to, length, overflow) {
      this.overflowed = 0;
      const wanted = length >= most ? whole : BigInt(length);
      const came = Number(calls.splice(from, null, into, null, wanted, SPLICE_F_MOVE_NONBLOCK));
      if (came < 0) {
        const reason = lastErrno();
        return BROKEN.has(reason) ? -reason : 0;
      }
      let left = came;
      while (left > 0) {
        const went = Number(calls.splice(out, null, to, null, BigInt(left), SPLICE_F_MOVE_NONBLOCK));
        if (went <= 0) break;
        left -= went;
      }
      while (this.overflowed < left) {
        this.overflowed += readSync(out, overflow, this.overflowed, left - this.overflowed, null);
      }
      return came;
    },
  } as SplicePipe & { overflowed: number };
}

/** The same end of a pipe, opened by Node: it closes what is its own when the thread dies, and nothing else. */
function ownedByThread(end: number, access: number, calls: SystemCalls): number {
  try {
    const owned = openSync(`/proc/self/fd/${end}`, access | file.O_NONBLOCK);
    calls.close(end);
    return owned;
  } catch {
    return end;
  }
}

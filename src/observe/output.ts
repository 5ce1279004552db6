/**
 * A file descriptor that takes lines without ever waiting: unwritten ones are kept up to a bound, then
 * dropped and counted. (pino's own destination loops for ever at exit when its reader is gone.)
 */
import { writeSync, writev } from 'node:fs';

/** Pieces that one write takes: lines of the program log are short and many at a time. */
const WRITE_PIECES = 64;
/** How long a full pipe is left alone. */
const RETRY_MS = 10;
/** How long lines are dropped after an error, until it is tried again: a disk may have room, a reader come back. */
const BROKEN_MS = 1000;
const LINE_END = Buffer.from('\n');
/** At exit, a full pipe is tried this often before the rest is given up. */
const LAST_TRIES = 100;

export class Output {
  readonly #fd: number;
  readonly #maxUnwritten: number;
  /** Not yet handed to the system. */
  #queue: Uint8Array[] = [];
  #unwritten = 0;
  #writing = false;
  #closed = false;
  /** Before this time of `performance.now()` nothing is tried: the last write failed. */
  #brokenUntil = 0;
  /** The write that failed got rid of the beginning of a line. */
  #torn = false;
  #dropped = 0;
  #onIdle: (() => void) | null = null;
  readonly #flushAtExit = (): void => this.#flushSync();

  constructor(fd: number, maxUnwrittenBytes: number) {
    this.#fd = fd;
    this.#maxUnwritten = maxUnwrittenBytes;
    process.on('exit', this.#flushAtExit);
  }

  /** Takes whole lines, each ended by a newline, in memory that is its own; ignored when closed. */
  write(lines: string | Uint8Array): void {
    if (this.#closed) return;
    const bytes = typeof lines === 'string' ? Buffer.from(lines) : lines;
    if (this.#unwritten + bytes.length > this.#maxUnwritten || performance.now() < this.#brokenUntil) {
      this.#dropped += countLines(bytes);
      return;
    }
    this.#queue.push(bytes);
    this.#unwritten += bytes.length;
    this.#writeNext();
  }

  /** Lines dropped since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Resolves when all is written, or after `patienceMs` when nobody takes it; what is left then is lost. */
  async close(patienceMs: number): Promise<void> {
    this.#closed = true;
    if (this.#writing) {
      await new Promise<void>((resolve) => {
        const patience = setTimeout(resolve, patienceMs);
        this.#onIdle = () => {
          clearTimeout(patience);
          resolve();
        };
      });
    }
    process.off('exit', this.#flushAtExit);
  }

  #writeNext(): void {
    if (this.#writing) return;
    if (this.#queue.length === 0) {
      this.#onIdle?.();
      return;
    }
    this.#writing = true;
    const pieces = this.#queue.splice(0, WRITE_PIECES);
    if (this.#torn) {
      pieces.unshift(LINE_END);
      this.#unwritten++;
    }
    this.#writePieces(pieces);
  }

  #writePieces(pieces: Uint8Array[]): void {
    writev(this.#fd, pieces, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#writePieces(pieces), RETRY_MS);
        return;
      }
      if (error) {
        this.#lose(pieces);
        return;
      }
      this.#unwritten -= written;
      this.#torn = !endsWithLine(pieces, written);
      const rest = without(pieces, written);
      if (rest.length > 0) {
        this.#writePieces(rest);
        return;
      }
      this.#writing = false;
      this.#writeNext();
    });
  }
  /** The reader is gone or the disk is full: serving without a log is better than not serving. */
  #lose(pieces: readonly Uint8Array[]): void {
    this.#brokenUntil = performance.now() + BROKEN_MS;
    // The line end that mends a torn line is none of its lines'.
    for (const piece of pieces) if (piece !== LINE_END) this.#dropped += countLines(piece);
    for (const lines of this.#queue) this.#dropped += countLines(lines);
    this.#unwritten = 0;
    this.#writing = false;
    this.#queue = [];
    this.#onIdle?.();
  }

  #flushSync(): void {
    let bytes = Buffer.concat(this.#queue);
    this.#queue = [];
    for (let tries = 0; bytes.length > 0 && tries < LAST_TRIES; ) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
        tries++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }
}

/** Whether the first `size` bytes of the pieces, at least one, end with a line. */
function endsWithLine(pieces: readonly Uint8Array[], size: number): boolean {
  let at = size - 1;
  for (const piece of pieces) {
    if (at < piece.length) return piece[at] === 10;
    at -= piece.length;
  }
  return false;
}

/** What is left of the pieces without their first `size` bytes. */
function without(pieces: readonly Uint8Array[], size: number): Uint8Array[] {
  let left = size;
  let i = 0;
  for (; i < pieces.length && left >= pieces[i]!.length; i++) left -= pieces[i]!.length;
  if (i === pieces.length) return [];
  return [pieces[i]!.subarray(left), ...pieces.slice(i + 1)];
}

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}

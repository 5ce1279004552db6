/**
 * A file descriptor that takes lines without ever waiting: unwritten ones are kept up to a bound, then
 * dropped and counted. (pino's own destination loops for ever at exit when its reader is gone.)
 */
import { write as writeAsync, writeSync } from 'node:fs';

/** Lines are joined to writes of about this size. */
const WRITE_CHARACTERS = 262_144;
/** How long a full pipe is left alone. */
const RETRY_MS = 10;
/** How long lines are dropped after an error, until it is tried again: a disk may have room, a reader come back. */
const BROKEN_MS = 1000;
const LINE_END = 10;
/** At exit, a full pipe is tried this often before the rest is given up. */
const LAST_TRIES = 100;

export class Output {
  readonly #fd: number;
  readonly #maxUnwritten: number;
  /** Not yet handed to the system. */
  #queue: string[] = [];
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

  /** Takes whole lines, each ended by a newline; ignored when closed. */
  write(lines: string): void {
    if (this.#closed) return;
    const size = Buffer.byteLength(lines);
    if (this.#unwritten + size > this.#maxUnwritten || performance.now() < this.#brokenUntil) {
      this.#dropped += countLines(lines);
      return;
    }
    this.#queue.push(lines);
    this.#unwritten += size;
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
    if (!this.#torn) return this.#writeRest(Buffer.from(this.#takeSome()));
    this.#unwritten++;
    this.#writeRest(Buffer.from(`\n${this.#takeSome()}`), 1);
  }

  #takeSome(): string {
    let text = '';
    let taken = 0;
    while (taken < this.#queue.length && text.length < WRITE_CHARACTERS) text += this.#queue[taken++];
    this.#queue = this.#queue.slice(taken);
    return text;
  }

  /** `mends`: how many line ends in front of it are none of its lines'. */
  #writeRest(bytes: Buffer, mends = 0): void {
    writeAsync(this.#fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#writeRest(bytes, mends), RETRY_MS);
        return;
      }
      if (error) {
        this.#lose(bytes.subarray(mends));
        return;
      }
      this.#unwritten -= written;
      this.#torn = bytes[written - 1] !== LINE_END;
      if (written < bytes.length) {
        this.#writeRest(bytes.subarray(written));
        return;
      }
      this.#writing = false;
      this.#writeNext();
    });
  }

  /** The reader is gone or the disk is full: serving without a log is better than not serving. */
  #lose(bytes: Buffer): void {
    this.#brokenUntil = performance.now() + BROKEN_MS;
    this.#dropped += countLines(bytes.toString('latin1'));
    for (const lines of this.#queue) this.#dropped += countLines(lines);
    this.#unwritten = 0;
    this.#writing = false;
    this.#queue = [];
    this.#onIdle?.();
  }

  #flushSync(): void {
    let bytes = Buffer.from(this.#queue.join(''));
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

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

/** A process of the load test and the channel to it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { within } from '../kit/waiting.ts';

interface Message {
  readonly kind: string;
}

export class Child<To extends Message, From extends Message> {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #exited: Promise<number | null>;
  #endExpected = false;
  readonly #killAtExit = (): void => void this.#process.kill('SIGKILL');

  /** Runs a file of this folder; `onMessage` gets what it sends. */
  constructor(file: string, args: readonly string[], onMessage: (message: From) => void) {
    this.#name = file;
    const execArgv = ['--disable-warning=ExperimentalWarning'];
    this.#process = fork(join(import.meta.dirname, file), args, {
      execArgv,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#process.on('message', (message) => onMessage(message as From));
    process.once('exit', this.#killAtExit);
    this.#exited = once(this.#process, 'exit').then(([code]) => code as number | null);
  }

  send(message: To): void {
    if (this.#process.connected) this.#process.send(message);
  }

  /** Resolves with the next message of this kind for which `match` holds; rejects when the process ends before. */
  async next<K extends From['kind']>(
    kind: K,
    ms: number,
    match: (message: Extract<From, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<From, { kind: K }>> {
    const { promise, resolve, reject } = Promise.withResolvers<Extract<From, { kind: K }>>();
    const onMessage = (message: unknown) => {
      const typed = message as From;
      if (typed.kind !== kind) return;
      const wanted = typed as Extract<From, { kind: K }>;
      if (match(wanted)) resolve(wanted);
    };
    const onExit = () => reject(new Error(`${this.#name} ended before it said "${kind}"`));
    this.#process.on('message', onMessage);
    this.#process.once('exit', onExit);
    try {
      return await within(promise, `"${kind}" from ${this.#name}`, ms);
    } finally {
      this.#process.off('message', onMessage);
      this.#process.off('exit', onExit);
    }
  }

  /** Rejects when the process ends without having been told to. */
  async endsAlone(): Promise<never> {
    const code = await this.#exited;
    if (this.#endExpected) return new Promise(() => {});
    throw new Error(`${this.#name} ended by itself with code ${code}`);
  }

  /** Tells it to end. */
  signal(signal: NodeJS.Signals): void {
    this.#endExpected = true;
    this.#process.kill(signal);
  }

  /** The exit code; null when a signal ended it. Rejects after `ms`. */
  exit(ms: number): Promise<number | null> {
    return within(this.#exited, `${this.#name} to end`, ms);
  }

  /** The most memory it ever had, in bytes; 0 when it has ended. */
  peakMemory(): number {
    try {
      const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  async end(): Promise<void> {
    process.off('exit', this.#killAtExit);
    this.signal('SIGKILL');
    await this.#exited;
  }
}

/** The other end, for the process itself: a typed `process.send`. */
export function reporter<From extends Message>(): (message: From) => void {
  // Nobody listens any more when the load test itself was ended.
  process.on('disconnect', () => process.exit(1));
  return (message) => {
    if (process.connected) process.send?.(message);
  };
}

/** A process of the control plane: started with its output in a file, ended by its pid, gone when the test is. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { within } from '../../kit/waiting.ts';

/** After which a component that was asked to end is killed. */
const STOP_MS = 10_000;

export class Component {
  readonly name: string;
  readonly #command: readonly string[];
  readonly #logFile: string;
  #child: ChildProcess | null = null;

  /** `command` is a program and its arguments; its output goes to `logFile`. */
  constructor(name: string, command: readonly string[], logFile: string) {
    this.name = name;
    this.#command = command;
    this.#logFile = logFile;
  }

  start(): void {
    const output = openSync(this.#logFile, 'a');
    // The kernel kills it when this process dies, however that happens.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', ...this.#command], {
      stdio: ['ignore', output, output],
      env: { PATH: process.env['PATH'] ?? '' },
    });
    closeSync(output);
  }

  get running(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last lines it printed. */
  tail(lines = 15): string {
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Ends it and waits until it has ended. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null || !this.running) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    try {
      await within(exited, `${this.name} to end`, STOP_MS);
    } catch {
      child.kill('SIGKILL');
      await exited;
    }
  }
}

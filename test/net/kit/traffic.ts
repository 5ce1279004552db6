/** A backend, and a client that asks all the time. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Scope, within } from '../../kit/waiting.ts';
import type { Namespace } from './namespaces.ts';
import type { Asked } from './prober.ts';

const SERVER = `require('node:http').createServer((request, response) => {
    request.resume().on('end', () => response.end('hello'));
  }).listen(8080, '0.0.0.0', () => console.log('listening'))`;

/** Answers everything on port 8080, once it has been read. */
export async function serve(t: Scope, namespace: Namespace): Promise<void> {
  const child = namespace.start(t, process.execPath, ['-e', SERVER]);
  await within(once(child.stdout!, 'data'), 'the backend');
}

export class Traffic {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#lines = createInterface({ input: process.stdout! })[Symbol.asyncIterator]();
  }

  /**
   * Asks every 10 ms from now on, each time on a new connection, and waits for an answer for so long; with a body that
   * takes `bodyMs` to send.
   */
  static start(t: Scope, namespace: Namespace, url: string, patienceMs: number, bodyMs = 0): Traffic {
    const program = join(import.meta.dirname, 'prober.ts');
    const args = ['--no-warnings', program, url, String(patienceMs), String(bodyMs)];
    return new Traffic(namespace.start(t, process.execPath, args));
  }

  /** All that have ended so far. */
  async asked(): Promise<Asked[]> {
    this.#process.stdin!.write('\n');
    const { value } = await within(this.#lines.next(), 'the prober');
    return (JSON.parse(value as string) as Asked[]).filter(({ took }) => took !== null);
  }
}

/** How many got no answer, in how long a time, and how long the slowest answer took, in milliseconds. */
export function losses(asked: readonly Asked[]): {
  readonly asked: number;
  readonly lost: number;
  readonly overMs: number;
  readonly slowestMs: number;
  readonly failures: readonly string[];
} {
  const failed = asked.filter(({ failure }) => failure !== '');
  const answered = asked.filter(({ failure }) => failure === '');
  return {
    asked: asked.length,
    lost: failed.length,
    overMs: failed.length === 0 ? 0 : Math.round(failed.at(-1)!.at - failed[0]!.at),
    slowestMs: Math.round(Math.max(0, ...answered.map(({ took }) => took ?? 0))),
    failures: [...new Set(failed.map(({ failure }) => failure))],
  };
}

/** Those that got no answer although they were over within `ms`: what takes longer is not waited for at a hand-over. */
export function lostWithin(asked: readonly Asked[], ms: number): readonly Asked[] {
  return asked.filter(({ failure, took }) => failure !== '' && took !== null && took < ms);
}

/** Whether there is a moment at which all that got no answer were under way. */
export function wereLostAtOnce(asked: readonly Asked[]): boolean {
  const failed = asked.filter(({ failure }) => failure !== '');
  const lastBegan = Math.max(...failed.map(({ at }) => at));
  const firstEnded = Math.min(...failed.map(({ at, took }) => at + (took ?? 0)));
  return lastBegan <= firstEnded;
}

/** Our speaker in a namespace, as tests see it: commands in, events out. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { BfdStatus } from '../../../src/announce/bfd/status.ts';
import type { SessionStatus } from '../../../src/announce/bgp/session.ts';
import { type Scope, within } from '../../kit/waiting.ts';
import type { Namespace } from './namespaces.ts';
import type { PeerText, RouteText, SpeakerCommand } from './speaker-process.ts';

export type SpeakerEvent =
  | { readonly event: 'ready' | 'blocked'; readonly at: number }
  | ({ readonly event: 'status'; readonly at: number } & SessionStatus)
  | ({ readonly event: 'bfd'; readonly at: number } & BfdStatus)
  | { readonly event: 'problem'; readonly at: number; readonly text: string };

const PROGRAM = join(import.meta.dirname, 'speaker-process.ts');

export class Speaker {
  readonly process: ChildProcess;
  /** All so far, oldest first; `at` in ms of performance.now(). */
  readonly events: SpeakerEvent[] = [];
  readonly #listeners = new Set<(event: SpeakerEvent) => void>();
  #stderr = '';

  private constructor(process: ChildProcess) {
    this.process = process;
    process.stderr?.on('data', (text) => {
      this.#stderr += text;
    });
    createInterface({ input: process.stdout! }).on('line', (line) => {
      const event = { ...JSON.parse(line), at: performance.now() } as SpeakerEvent;
      this.events.push(event);
      for (const listener of this.#listeners) listener(event);
    });
  }

  static async start(t: Scope, namespace: Namespace): Promise<Speaker> {
    const speaker = new Speaker(namespace.start(t, process.execPath, ['--no-warnings', PROGRAM]));
    await speaker.next(({ event }) => event === 'ready', 'the speaker');
    return speaker;
  }

  command(command: SpeakerCommand): void {
    this.process.stdin!.write(`${JSON.stringify(command)}\n`);
  }

  apply(peers: readonly PeerText[], routes: Readonly<Record<string, readonly RouteText[]>> = {}): void {
    this.command({ do: 'apply', peers, routes });
  }

  /** The first event from `after` on (index; by default from now on) that `wanted` accepts. */
  next(
    wanted: (event: SpeakerEvent) => boolean,
    what: string,
    after = this.events.length,
  ): Promise<SpeakerEvent> {
    const earlier = this.events.slice(after).find(wanted);
    if (earlier !== undefined) return Promise.resolve(earlier);
    const { promise, resolve } = Promise.withResolvers<SpeakerEvent>();
    const listener = (event: SpeakerEvent) => {
      if (wanted(event)) resolve(event);
    };
    this.#listeners.add(listener);
    const told = () =>
      `${what}; had: ${JSON.stringify(this.events.slice(-6), null, 1)}\n${this.#stderr.slice(-2000)}`;
    return within(promise, told).finally(() => this.#listeners.delete(listener));
  }

  /** A session's report with this state, from `after` on. */
  async state(
    name: string,
    state: SessionStatus['state'],
    after?: number,
  ): Promise<SessionStatus & { at: number }> {
    const event = await this.next(
      (event) => event.event === 'status' && event.name === name && event.state === state,
      `session ${name} to be ${state}`,
      after,
    );
    return event as SessionStatus & { at: number };
  }

  /** Tells it to stop and waits until it has. */
  async stop(how: Extract<SpeakerCommand, { do: 'shutdown' | 'silent-stop' }>): Promise<void> {
    const ended = once(this.process, 'exit');
    this.command(how);
    await within(ended, 'the speaker to end');
  }
}

/** `tidegate speaker`, or `tidegate run --speaker`, in a namespace over a folder of manifests. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SpeakerReport } from '../../../src/model/speaker-report.ts';
import type { LogLine } from '../../kit/tidegate.ts';
import { type Scope, within } from '../../kit/waiting.ts';
import type { Namespace } from './namespaces.ts';

const PROGRAM = join(import.meta.dirname, '../../../bin/tidegate');
/** Not the default, so that a flag that goes lost is noticed. */
const ADMIN = '127.0.0.1:9191';

export interface AnnouncerOptions {
  /** The folder of manifests. */
  readonly folder: string;
  /** Its name as a Node. */
  readonly node: string;
  /** Further flags; with `run` in their first place that is the command. */
  readonly args?: readonly string[];
  /** Capabilities that it keeps, like `net_raw`; all when not given. */
  readonly capabilities?: readonly string[];
}

export class Announcer {
  readonly process: ChildProcess;
  readonly log: LogLine[] = [];
  readonly #namespace: Namespace;
  readonly #watchers = new Set<() => void>();
  #stderr = '';

  private constructor(namespace: Namespace, process: ChildProcess) {
    this.#namespace = namespace;
    this.process = process;
    process.stderr?.on('data', (text) => {
      this.#stderr += text;
    });
    createInterface({ input: process.stdout! }).on('line', (text) => {
      this.log.push(JSON.parse(text) as LogLine);
      for (const watch of this.#watchers) watch();
    });
  }

  /** Resolves at its `ready` line. */
  static async start(t: Scope, namespace: Namespace, options: AnnouncerOptions): Promise<Announcer> {
    const { folder, node, args = [], capabilities } = options;
    const flags = ['--source', 'manifests', '--manifests', folder, '--node-name', node, '--admin', ADMIN];
    const command = args[0] === 'run' ? ['run', '--speaker', ...args.slice(1)] : ['speaker', ...args];
    const kept = capabilities?.map((name) => `,+${name}`).join('') ?? '';
    const bounded = capabilities === undefined ? [] : ['setpriv', '--bounding-set', `-all${kept}`];
    const [program = '', ...rest] = [...bounded, PROGRAM, ...command, ...flags];
    const child = namespace.start(t, program, rest);
    const announcer = new Announcer(namespace, child);
    await announcer.logged('ready');
    return announcer;
  }

  /** Waits for a line of the log with this event, from line `from` on; one that was there counts. */
  async logged(event: string, match: (line: LogLine) => boolean = () => true, from = 0): Promise<LogLine> {
    const { promise, resolve } = Promise.withResolvers<LogLine>();
    const watch = () => {
      const found = this.log.slice(from).find((line) => line.event === event && match(line));
      if (found !== undefined) resolve(found);
    };
    this.#watchers.add(watch);
    watch();
    const told = () =>
      `the log line ${event}; there was\n${this.log
        .slice(-10)
        .map((line) => JSON.stringify(line))
        .join('\n')}\n${this.#stderr.slice(-2000)}`;
    return within(promise, told).finally(() => this.#watchers.delete(watch));
  }

  /** What `tidegate speaker status` prints. */
  status(...args: readonly string[]): Promise<string> {
    return this.#namespace.run(PROGRAM, 'speaker', 'status', '--admin', ADMIN, ...args);
  }

  async report(): Promise<SpeakerReport> {
    return JSON.parse(await this.status('--output', 'json')) as SpeakerReport;
  }

  metrics(): Promise<string> {
    return this.#namespace.run('curl', '-sf', `http://${ADMIN}/metrics`);
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    await within(ended, () => `the end of the speaker\n${this.#stderr.slice(-2000)}`);
  }
}

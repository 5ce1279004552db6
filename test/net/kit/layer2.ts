/** A segment with a client and speakers of ours on one bridge, and what they say. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Layer2Settings, Layer2Wanted } from '../../../src/announce/layer2/speaker.ts';
import type { Layer2Conflict, Layer2Status } from '../../../src/announce/layer2/status.ts';
import { type Scope, within } from '../../kit/waiting.ts';
import type { Probe } from './arp-prober.ts';
import { link, Namespace } from './namespaces.ts';

export type Layer2Event =
  | ({ readonly event: 'status' } & Layer2Status)
  | ({ readonly event: 'conflict' } & Layer2Conflict)
  | { readonly event: 'problem'; readonly text: string }
  | { readonly event: 'ready' };

const node = ['--no-warnings', '--disable-warning=ExperimentalWarning'];

/** `hosts` namespaces, each with eth0 at 192.0.2.N and 2001:db8::N from N = 1, joined by a bridge. */
export async function bridged(t: Scope, hosts: readonly string[]): Promise<Namespace[]> {
  const bridge = await Namespace.make(t, 'switch');
  await bridge.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await bridge.run('ip', 'link', 'set', 'br0', 'up');
  const made: Namespace[] = [];
  for (const [i, host] of hosts.entries()) {
    const namespace = await Namespace.make(t, host);
    await link(
      {
        in: namespace,
        name: 'eth0',
        addresses: [`192.0.2.${i + 1}/24`, `2001:db8::${i + 1}/64`],
      },
      { in: bridge, name: `port${i}`, addresses: [] },
    );
    await bridge.run('ip', 'link', 'set', `port${i}`, 'master', 'br0');
    made.push(namespace);
  }
  return made;
}

/** The MAC of eth0. */
export async function macOf(namespace: Namespace): Promise<string> {
  return (await namespace.run('cat', '/sys/class/net/eth0/address')).trim();
}

export class Layer2Process {
  readonly process: ChildProcess;
  readonly events: Layer2Event[] = [];
  readonly #listeners = new Set<() => void>();
  #stderr = '';

  private constructor(process: ChildProcess) {
    this.process = process;
    process.stderr?.on('data', (text) => {
      this.#stderr += text;
    });
    createInterface({ input: process.stdout! }).on('line', (line) => {
      this.events.push(JSON.parse(line) as Layer2Event);
      for (const listener of this.#listeners) listener();
    });
  }

  static async start(
    t: Scope,
    namespace: Namespace,
    settings: Pick<Layer2Settings, 'node'> & Partial<Omit<Layer2Settings, 'key'>> & { key?: string | null },
    env?: NodeJS.ProcessEnv,
  ): Promise<Layer2Process> {
    const all = {
      ...{ port: 7947, address: null, key: 'a shared key', intervalMs: 100, missed: 4 },
      ...{ excludedInterfaces: ['^lo$'], releaseMs: 0, ...settings },
    };
    const program = join(import.meta.dirname, 'layer2-process.ts');
    const args = [...node, program, JSON.stringify(all)];
    const speaker = new Layer2Process(namespace.start(t, process.execPath, args, env));
    await speaker.seen(({ event }) => event === 'ready', 'to start');
    return speaker;
  }

  set(wanted: Layer2Wanted): void {
    this.process.stdin!.write(`${JSON.stringify(wanted)}\n`);
  }

  get status(): Layer2Status | undefined {
    return this.events.findLast((event) => event.event === 'status');
  }

  /** Until there was an event, from index `after` on, that `wanted` accepts. */
  seen(wanted: (event: Layer2Event) => boolean, what: string, after = 0): Promise<Layer2Event> {
    const { promise, resolve } = Promise.withResolvers<Layer2Event>();
    const look = () => {
      const found = this.events.slice(after).find(wanted);
      if (found !== undefined) resolve(found);
    };
    this.#listeners.add(look);
    look();
    const told = () => `${what}; last ${JSON.stringify(this.events.slice(-2))}\n${this.#stderr.slice(-2000)}`;
    return within(promise, told).finally(() => this.#listeners.delete(look));
  }

  /** Until the latest status says so. */
  is(wanted: (status: Layer2Status) => boolean, what: string): Promise<Layer2Event> {
    const after = this.status === undefined ? 0 : this.events.lastIndexOf(this.status as Layer2Event);
    return this.seen((event) => event.event === 'status' && wanted(event), what, after);
  }

  announces(address: string): Promise<Layer2Event> {
    return this.is(
      ({ addresses }) => addresses.some((entry) => entry.address === address && entry.state === 'announcing'),
      `to announce ${address}`,
    );
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    await within(ended, `the end of process ${this.process.pid}`);
  }
}

export class Prober {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#lines = createInterface({ input: process.stdout! })[Symbol.asyncIterator]();
  }

  /** Asks every 10 ms from now on. */
  static start(t: Scope, namespace: Namespace, address: string): Prober {
    const program = join(import.meta.dirname, 'arp-prober.ts');
    return new Prober(namespace.start(t, process.execPath, [...node, program, 'eth0', address]));
  }

  /** All so far. */
  async probes(): Promise<Probe[]> {
    this.#process.stdin!.write('\n');
    const { value } = await within(this.#lines.next(), 'the prober');
    return JSON.parse(value as string) as Probe[];
  }
}

/** The longest time without an answer, and who answered, in milliseconds and in turn. */
export function summary(probes: readonly Probe[]): {
  readonly gapMs: number;
  readonly lost: number;
  readonly doubledMs: number;
  readonly owners: readonly string[];
} {
  const first = probes.findIndex(({ answers }) => answers.length > 0);
  const last = probes.findLastIndex(({ answers }) => answers.length > 0);
  const within = first === -1 ? [] : probes.slice(first, last + 1);
  let gapMs = 0;
  let answeredAt = within[0]?.sentAt ?? 0;
  const owners: string[] = [];
  for (const { sentAt, answers } of within) {
    if (answers.length === 0) continue;
    gapMs = Math.max(gapMs, sentAt - answeredAt);
    answeredAt = sentAt;
    for (const mac of answers) if (owners.at(-1) !== mac) owners.push(mac);
  }
  const doubled = within.filter(({ answers }) => answers.length > 1).map(({ sentAt }) => sentAt);
  return {
    gapMs,
    lost: within.filter(({ answers }) => answers.length === 0).length,
    doubledMs: doubled.length === 0 ? 0 : doubled.at(-1)! - doubled[0]!,
    owners,
  };
}

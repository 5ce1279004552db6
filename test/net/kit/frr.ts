/** FRRouting in a namespace: zebra, bgpd and bfdd, asked through vtysh. */
import type { ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { eventually, type Scope, within } from '../../kit/waiting.ts';
import { daemonFolder } from './daemon.ts';
import { command, type Namespace } from './namespaces.ts';

const DAEMONS = '/usr/lib/frr';

export class Frr {
  readonly #namespace: Namespace;
  readonly #folder: string;
  /** By name: zebra, bfdd, bgpd. */
  readonly daemons = new Map<string, ChildProcess>();
  #log = '';
  readonly #grown = new EventEmitter();

  private constructor(namespace: Namespace, folder: string) {
    this.#namespace = namespace;
    this.#folder = folder;
  }

  /** `bgp`: bgpd's configuration; `bfd`: bfdd's. */
  static async start(t: Scope, namespace: Namespace, bgp: string, bfd = ''): Promise<Frr> {
    const head = 'log stdout\n';
    const folder = await daemonFolder(t, 'frr', {
      'zebra.conf': head,
      'bfdd.conf': head + bfd,
      'bgpd.conf': `${head}debug bgp neighbor-events\n${bgp}`,
    });
    await command('chown', '-R', 'frr:frr', folder);
    const frr = new Frr(namespace, folder);
    for (const name of ['zebra', 'bfdd', 'bgpd']) {
      const own = name === 'bfdd' ? ['--bfdctl', `${folder}/bfdd.sock`] : [];
      const daemon = namespace.start(t, `${DAEMONS}/${name}`, [
        ...['--vty_socket', folder, '-z', `${folder}/zserv.api`, '-i', `${folder}/${name}.pid`],
        ...['-f', `${folder}/${name}.conf`, '-P', '0', '-u', 'frr', '-g', 'frr', ...own],
      ]);
      frr.daemons.set(name, daemon);
      daemon.stdout?.on('data', (text) => {
        frr.#log += text;
        frr.#grown.emit('text');
      });
      await eventually(() => frr.#vtysh(name, 'show version'));
    }
    return frr;
  }

  /** Characters that the daemons have logged. */
  get logLength(): number {
    return this.#log.length;
  }

  /** Resolves once the daemons have logged something like it, from this length of the log on. */
  logged(pattern: RegExp, from = 0): Promise<void> {
    const found = async () => {
      while (!pattern.test(this.#log.slice(from))) await once(this.#grown, 'text');
    };
    return within(found(), () => `FRR to log ${pattern}; it logged ${this.#log}`);
  }

  #vtysh(daemon: string, ...lines: readonly string[]): Promise<string> {
    const commands = lines.flatMap((line) => ['-c', line]);
    return this.#namespace.run('vtysh', '--vty_socket', this.#folder, '-d', daemon, ...commands);
  }

  /** What bgpd prints. */
  show(line: string): Promise<string> {
    return this.#vtysh('bgpd', `show ${line}`);
  }

  /** bgpd's answer with `json` at the end. */
  async json(line: string): Promise<Record<string, unknown>> {
    return JSON.parse(await this.show(`${line} json`)) as Record<string, unknown>;
  }

  bfd(...lines: readonly string[]): Promise<string> {
    return this.#vtysh('bfdd', ...lines);
  }

  do(...lines: readonly string[]): Promise<string> {
    return this.#vtysh('bgpd', ...lines);
  }

  /** Prefixes in bgpd's table of a family. */
  async routes(family: 'ipv4' | 'ipv6'): Promise<Record<string, FrrPath[]>> {
    const table = (await this.json(`bgp ${family} unicast`)) as { routes?: Record<string, FrrPath[]> };
    return table.routes ?? {};
  }

  async neighbour(address: string): Promise<FrrNeighbour> {
    const all = (await this.json(`bgp neighbors ${address}`)) as Record<string, FrrNeighbour>;
    return all[address]!; // asked for by name
  }
}

export interface FrrPath {
  readonly valid: boolean;
  readonly locPrf?: number;
  readonly path: string;
  readonly origin: string;
  readonly nexthops: readonly { readonly ip: string; readonly afi: string }[];
}

export interface FrrNeighbour {
  readonly bgpState: string;
  readonly connectionsEstablished: number;
  readonly connectionsDropped: number;
  readonly lastResetDueTo?: string;
  readonly lastErrorCodeSubcode?: string;
  readonly lastShutdownDescription?: string;
  readonly [field: string]: unknown;
}

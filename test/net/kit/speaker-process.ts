/**
 * A BGP speaker of ours as a program of its own, for tests: one JSON command per line on standard input, one JSON
 * event per line on standard output. Peers are given in part, the rest has defaults.
 */
import { createInterface } from 'node:readline';
import type { PeerConfig } from '../../../src/announce/bgp/peer.ts';
import type { Route } from '../../../src/announce/bgp/rib-out.ts';
import { RoutingThread } from '../../../src/announce/bgp/thread.ts';
import { parseCommunity } from '../../../src/model/bgp-community.ts';
import { parsePrefix } from '../../../src/model/ip.ts';
import { peerConfig } from '../../kit/bgp-peer-config.ts';

export type PeerText = Pick<PeerConfig, 'name' | 'address'> & Partial<PeerConfig>;

export interface RouteText {
  readonly prefix: string;
  readonly localPref?: number;
  /** As users write them. */
  readonly communities?: readonly string[];
}

export type SpeakerCommand =
  | { readonly do: 'listen'; readonly addresses: readonly { host: string; port: number }[] }
  | {
      readonly do: 'apply';
      readonly peers: readonly PeerText[];
      readonly routes: Readonly<Record<string, readonly RouteText[]>>;
    }
  | { readonly do: 'silent-stop' }
  | { readonly do: 'shutdown'; readonly text: string }
  /** Keeps the main thread from doing anything else. */
  | { readonly do: 'block'; readonly ms: number };

const DEFAULTS = { peerAs: 64513, routerId: 0x0a000001 };

function route({ prefix, localPref, communities = [] }: RouteText): Route {
  const parsed = communities.map((text) => parseCommunity(text));
  return {
    prefix: parsePrefix(prefix)!,
    localPref: localPref ?? null,
    communities: parsed.flatMap((c) =>
      c !== null && c !== 'out-of-range' && c.kind === 'standard' ? [c.value] : [],
    ),
    largeCommunities: parsed.flatMap((c) =>
      c !== null && c !== 'out-of-range' && c.kind === 'large'
        ? [[c.global, c.local1, c.local2] as const]
        : [],
    ),
  };
}

const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);

const thread = new RoutingThread({
  onStatus: (status) => tell({ event: 'status', ...status }),
  onBfd: (status) => tell({ event: 'bfd', ...status }),
  onProblem: (text) => tell({ event: 'problem', text }),
});

function perform(command: SpeakerCommand): void {
  switch (command.do) {
    case 'listen':
      return thread.listen(command.addresses);
    case 'apply':
      return thread.apply({
        peers: command.peers.map((peer) => peerConfig({ ...DEFAULTS, ...peer })),
        routes: new Map(Object.entries(command.routes).map(([name, routes]) => [name, routes.map(route)])),
      });
    case 'block': {
      tell({ event: 'blocked' });
      const end = performance.now() + command.ms;
      while (performance.now() < end);
      return;
    }
    case 'silent-stop':
      return void thread.stop({ kind: 'silent' }).then(() => process.exit());
    case 'shutdown':
      return void thread.stop({ kind: 'shutdown', text: command.text }).then(() => process.exit());
    default:
      return command satisfies never;
  }
}

createInterface({ input: process.stdin }).on('line', (line) => perform(JSON.parse(line) as SpeakerCommand));
tell({ event: 'ready' });

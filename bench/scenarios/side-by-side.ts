/** Runs all peers at the same time behind the same backend and puts the same load on each in turn. */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, TLS_HOST } from '../certificate.ts';
import type { LoadResult } from '../load/load.ts';
import { REFERENCE } from '../peers/all.ts';
import type { Peer, Series } from '../peers/peer.ts';
import { freePort, PROXY_CORE, type RunningProcess, startProcess, waitForAnswer } from '../processes.ts';
import { type Candidate, measureRounds } from '../rounds.ts';
import type { Context, Outcome, Target } from './scenario.ts';

export interface SideBySide {
  readonly title: string;
  readonly unit: string;
  readonly series: Series;
  readonly bulk: boolean;
  readonly upstream: number;
  /** The backend speaks TLS; peers that cannot are left out. */
  readonly upstreamTls?: boolean;
  /** The backend speaks HTTP/2 in clear; peers that cannot are left out. */
  readonly upstreamHttp2?: boolean;
  /** With it, peers speak TLS, and those that cannot are left out. */
  readonly tls?: Certificate;
  readonly targets: readonly Target[];
  /** Rejects when the proxy at `origin` does not do the work right; it is then left out. */
  readonly verify: (origin: string) => Promise<void>;
  readonly load: (origin: string, seconds: number) => Promise<LoadResult>;
}

export interface RunningPeer {
  readonly name: string;
  readonly origin: string;
  readonly process: RunningProcess;
}

export async function runSideBySide(context: Context, setup: SideBySide): Promise<Outcome> {
  const { running, failures } = await startPeers(context, setup);
  try {
    const rows = await measureRounds(
      running.map((peer) => candidate(peer, setup)),
      context.effort,
    );
    const { title, unit, targets } = setup;
    return { comparisons: [{ title, unit, rows, targets }], facts: [], failures };
  } finally {
    await Promise.all(running.map((peer) => peer.process.stop()));
  }
}

type PeerNeeds = Pick<
  SideBySide,
  'title' | 'series' | 'bulk' | 'upstream' | 'upstreamTls' | 'upstreamHttp2' | 'tls' | 'verify'
>;

/** Starts and verifies the peers; those that fail are stopped and named in `failures`. */
export async function startPeers(
  context: Context,
  needs: PeerNeeds,
): Promise<{ running: RunningPeer[]; failures: string[] }> {
  const running: RunningPeer[] = [];
  const failures: string[] = [];
  const able = context.peers.filter(
    ({ servesTls, asksTls, asksHttp2 }) =>
      (needs.tls === undefined || servesTls) &&
      (!needs.upstreamTls || asksTls) &&
      (!needs.upstreamHttp2 || asksHttp2),
  );
  for (const peer of able) {
    const started = await startPeer(peer, context, needs);
    try {
      await waitForAnswer(started.origin, started.process);
      await needs.verify(started.origin);
      running.push(started);
    } catch (error) {
      const reason = started.process.exited() ?? (error instanceof Error ? error.message : String(error));
      failures.push(`${peer.name} in "${needs.title}": ${reason}`);
      await started.process.stop();
    }
  }
  return { running, failures };
}

async function startPeer(
  peer: Peer,
  context: Context,
  { series, bulk, upstream, upstreamTls = false, upstreamHttp2 = false, tls }: PeerNeeds,
): Promise<RunningPeer> {
  const directory = await mkdtemp(join(context.directory, `${peer.name}-${series}-`));
  const port = await freePort();
  const command = await peer.prepare({
    directory,
    port,
    upstream,
    upstreamTls,
    upstreamHttp2,
    series,
    bulk,
    tls: tls ?? null,
  });
  const child = await startProcess({
    ...command,
    name: peer.name,
    cores: PROXY_CORE,
    output: join(directory, 'out'),
  });
  const origin = tls === undefined ? `http://127.0.0.1:${port}` : `https://${TLS_HOST}:${port}`;
  return { name: peer.name, origin, process: child };
}

function candidate(peer: RunningPeer, setup: SideBySide): Candidate {
  return {
    name: peer.name,
    pid: peer.process.pid,
    reference: REFERENCE.name,
    load: (seconds) => setup.load(peer.origin, seconds),
  };
}

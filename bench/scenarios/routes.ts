import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { runWrk } from '../load/wrk.ts';
import { hostName, PATHS_PER_HOST, singleRoute, writeManyIngresses, writeObjects } from '../manifests.ts';
import { PROXY_CORE } from '../processes.ts';
import { type Candidate, measureRounds } from '../rounds.ts';
import { type Comparison, type Context, NOTHING, type Scenario } from './scenario.ts';
import { measuresTidegate, type RunningTidegate, startTidegate } from './tidegate-process.ts';

/** wrk keeps every request it may send in memory; 10,000 of the routes in a random order are enough to miss caches. */
const SPREAD_HOSTS = 1000;

export const routes: Scenario = {
  name: 'routes',
  title: '1 route or 100,000',
  description:
    'Two Tidegates, one with a single route and one with 10,000 hosts of 10 paths each, under the same requests: always the same one, and 10,000 different ones in a random order.',
  run: async (context) => {
    if (!measuresTidegate(context)) return NOTHING;
    const hosts = context.quick ? 1000 : 10_000;
    const one = await startOne(context);
    try {
      const many = await startMany(context, hosts);
      try {
        return { comparisons: [await compare(context, one, many, hosts)], facts: [], failures: [] };
      } finally {
        await many.stop();
      }
    } finally {
      await one.stop();
    }
  },
};

async function startOne(context: Context): Promise<RunningTidegate> {
  const manifests = join(context.directory, 'one');
  await mkdir(manifests);
  await writeObjects(join(manifests, 'all.json'), singleRoute(context.backend.port));
  return startTidegate(context, { name: 'one-route', manifests, workers: 1, cores: PROXY_CORE });
}

async function startMany(context: Context, hosts: number): Promise<RunningTidegate> {
  const manifests = join(context.directory, 'many');
  await mkdir(manifests);
  await writeManyIngresses(manifests, hosts, context.backend.port);
  return startTidegate(context, { name: 'many-routes', manifests, workers: 1, cores: PROXY_CORE });
}

async function compare(
  context: Context,
  one: RunningTidegate,
  many: RunningTidegate,
  hosts: number,
): Promise<Comparison> {
  const routeCount = (hosts * PATHS_PER_HOST).toLocaleString('en');
  const same = (seconds: number, { origin }: RunningTidegate) =>
    runWrk({
      url: `${origin}/path-3/page`,
      seconds,
      connections: 64,
      headers: [`Host: ${hostName(Math.floor(hosts / 2))}`],
      minBytes: SMALL_BODY.length,
    });
  const spread = (seconds: number, { origin }: RunningTidegate) =>
    runWrk({
      url: origin,
      seconds,
      connections: 64,
      paths: PATHS_PER_HOST,
      hosts: SPREAD_HOSTS,
      minBytes: SMALL_BODY.length,
    });
  const candidate = (
    name: string,
    proxy: RunningTidegate,
    load: typeof same,
    reference: string | null,
  ): Candidate => ({
    name,
    pid: proxy.pid,
    load: (seconds) => load(seconds, proxy),
    reference,
  });
  const names = {
    sameOne: 'same request, 1 route',
    sameMany: `same request, ${routeCount} routes`,
    spreadOne: 'varied requests, 1 route',
    spreadMany: `varied requests, ${routeCount} routes`,
  };
  const rows = await measureRounds(
    [
      candidate(names.sameOne, one, same, null),
      candidate(names.sameMany, many, same, names.sameOne),
      candidate(names.spreadOne, one, spread, null),
      candidate(names.spreadMany, many, spread, names.spreadOne),
    ],
    context.effort,
  );
  const targets = [
    { name: names.sameMany, reference: names.sameOne, atMost: 1.05 },
    { name: names.spreadMany, reference: names.spreadOne, atMost: 1.05 },
  ];
  return { title: `1 route or ${routeCount} routes`, unit: 'request', rows, targets };
}

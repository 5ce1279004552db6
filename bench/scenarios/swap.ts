import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SwapResult } from '../load/swap-client.ts';
import { service, writeManyIngresses, writeObjects } from '../manifests.ts';
import { LOAD_CORE, PROXY_CORE, runTool } from '../processes.ts';
import { quantile } from '../statistics.ts';
import { type Fact, NOTHING, type Scenario } from './scenario.ts';
import { measuresTidegate, startTidegate, type TableLive } from './tidegate-process.ts';

const CLIENT = new URL('../load/swap-client.ts', import.meta.url);
const WORKERS = 2;

export const swap: Scenario = {
  name: 'swap',
  title: 'Swap of one Ingress among 10,000, under load',
  description:
    'The backend of one Ingress is changed by renaming a file into place, again and again, while 32 connections ask for it and for other hosts some thousand times a second. Counted from the rename until the last of the 16 connections that ask for it, spread over two workers, has seen an answer of the new backend. Every answer is checked.',
  run: async (context) => {
    if (!measuresTidegate(context)) return NOTHING;
    const { backend, quick, directory } = context;
    const count = quick ? 1000 : 10_000;
    const manifests = join(directory, 'manifests');
    await mkdir(manifests);
    await writeManyIngresses(manifests, count, backend.port);
    await writeObjects(join(manifests, 'second.json'), service('second', backend.secondPort));
    const cores = `${PROXY_CORE},${LOAD_CORE}`;
    const proxy = await startTidegate(context, { name: 'swap', manifests, workers: WORKERS, cores });
    let result: SwapResult;
    let live: TableLive[];
    try {
      result = await runTool<SwapResult>(CLIENT, [
        new URL(proxy.origin).port,
        manifests,
        String(count),
        quick ? '20' : '200',
      ]);
    } finally {
      live = await proxy.stop();
    }
    const pauses = live.slice(1).map(({ worst_pause_ms }) => worst_pause_ms);
    const failures = result.failures.map((failure) => `swap: ${failure}`);
    return { ...NOTHING, facts: describe(result, pauses, count), failures };
  },
};

/** `pauses`: the longest pause of a worker in each swap, as Tidegate itself reports it. */
function describe(result: SwapResult, pauses: readonly number[], count: number): Fact[] {
  const { liveMs, requests, seconds, errors, p99Ms, slowestMs } = result;
  const among = `one of ${count.toLocaleString('en')}, ${liveMs.length} times`;
  return [
    {
      name: `Live in all workers, median (${among})`,
      value: quantile(liveMs, 0.5),
      unit: 'ms',
      atMost: null,
    },
    { name: 'Live in all workers, p99', value: quantile(liveMs, 0.99), unit: 'ms', atMost: 50 },
    { name: 'Live in all workers, slowest', value: Math.max(...liveMs), unit: 'ms', atMost: null },
    { name: 'Longest pause of a worker in any swap', value: Math.max(...pauses), unit: 'ms', atMost: 5 },
    { name: 'Load meanwhile', value: requests / seconds, unit: 'requests/s', atMost: null },
    { name: 'Answer times meanwhile, p99', value: p99Ms, unit: 'ms', atMost: null },
    { name: 'Answer times meanwhile, slowest', value: slowestMs, unit: 'ms', atMost: null },
    { name: 'Wrong or failed answers', value: errors, unit: 'of all', atMost: 0 },
  ];
}

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeManyIngresses } from '../manifests.ts';
import { LOAD_CORE, PROXY_CORE } from '../processes.ts';
import { median } from '../statistics.ts';
import { type Fact, NOTHING, type Scenario } from './scenario.ts';
import { measuresTidegate, startTidegate, type TableLive } from './tidegate-process.ts';

export const fullLoad: Scenario = {
  name: 'full-load',
  title: 'Full load of 10,000 Ingresses',
  description:
    'From the start of the process until /readyz says 200: 10,000 JSON files of one Ingress with 10 paths, 1,000 Services and EndpointSlices; both cores, two workers.',
  run: async (context) => {
    if (!measuresTidegate(context)) return NOTHING;
    const count = context.quick ? 1000 : 10_000;
    const manifests = join(context.directory, 'manifests');
    await mkdir(manifests);
    await writeManyIngresses(manifests, count, context.backend.port);
    const ready: number[] = [];
    const live: TableLive[] = [];
    for (let run = 0; run < (context.quick ? 1 : 5); run++) {
      const cores = `${PROXY_CORE},${LOAD_CORE}`;
      const proxy = await startTidegate(context, { name: `full-load-${run}`, manifests, workers: 2, cores });
      ready.push(proxy.readyMs);
      const [first] = await proxy.stop();
      if (first) live.push(first);
    }
    const among = `${count.toLocaleString('en')} Ingresses (median of ${ready.length})`;
    const facts: Fact[] = [
      { name: `Start to ready, ${among}`, value: median(ready), unit: 'ms', atMost: 3000 },
      {
        name: 'of which translation and distribution',
        value: median(live.map(({ total_ms }) => total_ms)),
        unit: 'ms',
        atMost: null,
      },
      {
        name: 'of which distribution to the workers',
        value: median(live.map(({ distribute_ms }) => distribute_ms)),
        unit: 'ms',
        atMost: null,
      },
    ];
    return { ...NOTHING, facts };
  },
};

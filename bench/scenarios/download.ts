import { BULK_BYTES } from '../backends/nginx-backend.ts';
import { expectBody } from '../load/verify.ts';
import { runWrk } from '../load/wrk.ts';
import type { Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const download: Scenario = {
  name: 'download',
  title: '1 MiB response',
  description:
    'Random bytes on 16 keep-alive connections; buffers of 256 KiB where they can be set, no access log.',
  run: (context) => {
    const { bulk, port } = context.backend;
    return runSideBySide(context, {
      title: '1 MiB response',
      unit: 'response',
      series: 'bare',
      bulk: true,
      upstream: port,
      targets: [{ name: 'Tidegate', reference: 'nginx', atMost: 0.8 }],
      verify: async (origin) => {
        await expectBody(`${origin}/bulk`, bulk);
        await expectBody(`${origin}/bulk`, bulk, 'slow');
      },
      load: (origin, seconds) =>
        runWrk({ url: `${origin}/bulk`, seconds, connections: 16, minBytes: BULK_BYTES }),
    });
  },
};

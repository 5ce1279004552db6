import { BULK_BYTES } from '../backends/nginx-backend.ts';
import { expectUpload } from '../load/verify.ts';
import { runWrk } from '../load/wrk.ts';
import type { Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const upload: Scenario = {
  name: 'upload',
  title: '1 MiB upload',
  description:
    'POST on 16 keep-alive connections to a backend that reads the whole body before it answers; streamed, not stored, by all; buffers of 256 KiB where they can be set, no access log.',
  run: (context) => {
    return runSideBySide(context, {
      title: '1 MiB upload',
      unit: 'upload',
      series: 'bare',
      bulk: true,
      upstream: context.backend.port,
      targets: [],
      verify: (origin) => expectUpload(origin, BULK_BYTES),
      load: (origin, seconds) =>
        runWrk({ url: `${origin}/upload`, seconds, connections: 16, body: BULK_BYTES, minBytes: 1 }),
    });
  },
};

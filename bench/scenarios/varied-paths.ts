import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { expectBody } from '../load/verify.ts';
import { runWrk } from '../load/wrk.ts';
import type { Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const variedPaths: Scenario = {
  name: 'varied-paths',
  title: 'Varied paths',
  description:
    '5,000 different paths with queries in a random order, 64 connections, answers of 67 bytes, no access log.',
  run: (context) =>
    runSideBySide(context, {
      title: 'Varied paths',
      unit: 'request',
      series: 'bare',
      bulk: false,
      upstream: context.backend.port,
      targets: [],
      verify: (origin) => expectBody(origin, Buffer.from(SMALL_BODY)),
      load: (origin, seconds) =>
        runWrk({ url: origin, seconds, connections: 64, paths: 5000, minBytes: SMALL_BODY.length }),
    }),
};

import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { expectBody } from '../load/verify.ts';
import { runWrk } from '../load/wrk.ts';
import type { Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const newConnection: Scenario = {
  name: 'new-connection',
  title: 'A new connection per request',
  description:
    '`Connection: close` on every request, 64 clients at a time; upstream connections are kept; no access log.',
  run: (context) =>
    runSideBySide(context, {
      title: 'New connection per request',
      unit: 'request',
      series: 'bare',
      bulk: false,
      upstream: context.backend.port,
      targets: [],
      verify: (origin) => expectBody(origin, Buffer.from(SMALL_BODY)),
      load: (origin, seconds) =>
        runWrk({
          url: `${origin}/`,
          seconds,
          connections: 64,
          headers: ['Connection: close'],
          minBytes: SMALL_BODY.length,
        }),
    }),
};

import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { expectBody } from '../load/verify.ts';
import { runWrk } from '../load/wrk.ts';
import { mergeOutcomes, type Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const smallGet: Scenario = {
  name: 'small-get',
  title: 'Small GET, keep-alive',
  description:
    'wrk with its tiny head on 64 connections, answers of 67 bytes; without access log, and with one.',
  run: async (context) => {
    const common = {
      unit: 'request',
      bulk: false,
      upstream: context.backend.port,
      verify: (origin: string) => expectBody(origin, Buffer.from(SMALL_BODY)),
      load: (origin: string, seconds: number) =>
        runWrk({ url: `${origin}/`, seconds, connections: 64, minBytes: SMALL_BODY.length }),
    };
    const bare = await runSideBySide(context, {
      ...common,
      title: 'Small GET, no access log',
      series: 'bare',
      targets: [
        { name: 'Tidegate', reference: 'nginx', atMost: 1.35 },
        { name: 'Tidegate', reference: 'Caddy', atMost: 1 },
        { name: 'Tidegate', reference: 'http-proxy-3', atMost: 1 / 7 },
      ],
    });
    const log = await runSideBySide(context, {
      ...common,
      title: 'Small GET, JSON access log',
      series: 'log',
      targets: [{ name: 'Tidegate', reference: 'nginx', atMost: 1.2 }],
    });
    return mergeOutcomes([bare, log]);
  },
};

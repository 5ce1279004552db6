import type { LoadResult } from '../load/load.ts';
import { runTool } from '../processes.ts';
import type { Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

const CLIENT = new URL('../load/websocket-client.ts', import.meta.url);

export const websocket: Scenario = {
  name: 'websocket',
  title: 'WebSocket echo',
  description:
    '64 connections, each with one message of 64 bytes under way; every echo is compared with what was sent.',
  run: (context) => {
    const load = (origin: string, seconds: number): Promise<LoadResult> =>
      runTool<LoadResult>(CLIENT, [origin.replace('http', 'ws'), '64', String(seconds)]);
    return runSideBySide(context, {
      title: 'WebSocket echo',
      unit: 'message',
      series: 'bare',
      bulk: false,
      upstream: context.backend.echoPort,
      targets: [],
      verify: async (origin) => {
        const { completed, errors } = await load(origin, 0.1);
        if (completed === 0 || errors > 0)
          throw new Error(`WebSocket echo: ${completed} messages, ${errors} errors`);
      },
      load,
    });
  },
};

import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { makeCertificate } from '../certificate.ts';
import type { LoadResult } from '../load/load.ts';
import { expectBody, expectSameTls } from '../load/verify.ts';
import { runTool } from '../processes.ts';
import { mergeOutcomes, type Outcome, type Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

const CLIENT = new URL('../load/handshake-client.ts', import.meta.url);
const CLIENTS = '16';

export const handshakes: Scenario = {
  name: 'handshakes',
  title: 'TLS handshakes',
  description:
    'A new connection for each request, 16 clients at a time: TLS 1.3 (TLS_AES_128_GCM_SHA256, X25519, ECDSA on P-256), one small GET with `Connection: close`, no access log. The client is the slower side; what counts is the CPU of the proxy.',
  run: async (context) => {
    const tls = await makeCertificate(context.directory);
    const measure = (kind: 'full' | 'resumed', title: string, atMost: number): Promise<Outcome> => {
      const load = (origin: string, seconds: number): Promise<LoadResult> =>
        runTool(CLIENT, [new URL(origin).port, CLIENTS, String(seconds), kind, SMALL_BODY]);
      return runSideBySide(context, {
        title,
        unit: 'handshake',
        series: 'bare',
        bulk: false,
        upstream: context.backend.port,
        tls,
        targets: [{ name: 'Tidegate', reference: 'nginx', atMost }],
        verify: async (origin) => {
          await expectSameTls(origin);
          await expectBody(`${origin}/`, Buffer.from(SMALL_BODY));
        },
        load,
      });
    };
    return mergeOutcomes([
      await measure('full', 'Full handshake and a GET', 1.4),
      await measure('resumed', 'Resumed handshake and a GET', 1.2),
    ]);
  },
};

import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { makeCertificate } from '../certificate.ts';
import { expectBody, expectSameTls } from '../load/verify.ts';
import { runWrk } from '../load/wrk.ts';
import type { Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const httpsGet: Scenario = {
  name: 'https-get',
  title: 'Small GET over HTTPS, keep-alive',
  description:
    'HTTP/1.1 over TLS 1.3 (TLS_AES_128_GCM_SHA256, X25519, ECDSA on P-256) on 64 connections, answers of 67 bytes, no access log.',
  run: async (context) =>
    runSideBySide(context, {
      title: 'Small GET over HTTPS',
      unit: 'request',
      series: 'bare',
      bulk: false,
      upstream: context.backend.port,
      tls: await makeCertificate(context.directory),
      targets: [{ name: 'Tidegate', reference: 'nginx', atMost: 1.35 }],
      verify: async (origin) => {
        await expectSameTls(origin);
        await expectBody(`${origin}/`, Buffer.from(SMALL_BODY));
      },
      load: (origin, seconds) =>
        runWrk({ url: `${origin}/`, seconds, connections: 64, minBytes: SMALL_BODY.length }),
    }),
};

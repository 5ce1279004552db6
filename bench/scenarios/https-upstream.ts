import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { startTlsBackend } from '../backends/tls-backend.ts';
import { makeCertificate } from '../certificate.ts';
import { expectBody } from '../load/verify.ts';
import { runWrk } from '../load/wrk.ts';
import type { Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const httpsUpstream: Scenario = {
  name: 'https-upstream',
  title: 'Small GET to an HTTPS backend, keep-alive',
  description:
    'HTTP/1.1 in clear on 64 connections; TLS 1.3 (TLS_AES_128_GCM_SHA256, X25519, ECDSA on P-256) to the backend, whose certificate is not verified; answers of 67 bytes, no access log.',
  run: async (context) => {
    const certificate = await makeCertificate(context.directory);
    const backend = await startTlsBackend(context.directory, certificate);
    try {
      return await runSideBySide(context, {
        title: 'Small GET to an HTTPS backend',
        unit: 'request',
        series: 'bare',
        bulk: false,
        upstream: backend.port,
        upstreamTls: true,
        targets: [],
        verify: (origin) => expectBody(`${origin}/`, Buffer.from(SMALL_BODY)),
        load: (origin, seconds) =>
          runWrk({ url: `${origin}/`, seconds, connections: 64, minBytes: SMALL_BODY.length }),
      });
    } finally {
      await backend.process.stop();
    }
  },
};

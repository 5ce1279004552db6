import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { makeCertificate } from '../certificate.ts';
import { runH2load } from '../load/h2load.ts';
import { expectBody, expectSameTls } from '../load/verify.ts';
import { probeProgram } from '../peers/peer.ts';
import { NOTHING, type Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const http2Get: Scenario = {
  name: 'http2-get',
  title: 'Small GET over HTTP/2',
  description:
    'h2load on 16 connections with 16 requests under way on each, TLS 1.3 (TLS_AES_128_GCM_SHA256, X25519, ECDSA on P-256), answers of 67 bytes, HTTP/1.1 to the backend, no access log.',
  run: async (context) => {
    const presence = await probeProgram(['h2load', '--version'], /nghttp2\/(\S+)/);
    if (presence.kind === 'absent') return { ...NOTHING, failures: [presence.reason] };
    return runSideBySide(context, {
      title: 'Small GET over HTTP/2',
      unit: 'request',
      series: 'bare',
      bulk: false,
      upstream: context.backend.port,
      tls: await makeCertificate(context.directory),
      targets: [{ name: 'Tidegate', reference: 'nginx', atMost: 0.85 }],
      verify: async (origin) => {
        await expectSameTls(origin);
        await expectBody(`${origin}/`, Buffer.from(SMALL_BODY));
      },
      load: (origin, seconds) =>
        runH2load({
          url: `${origin}/`,
          seconds,
          connections: 16,
          streams: 16,
          directory: context.directory,
        }),
    });
  },
};

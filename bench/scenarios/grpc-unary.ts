import { GRPC_MESSAGE, GRPC_PATH, startHttp2Backend } from '../backends/http2-backend.ts';
import { makeCertificate } from '../certificate.ts';
import { runH2load } from '../load/h2load.ts';
import { expectGrpc, expectSameTls } from '../load/verify.ts';
import { probeProgram } from '../peers/peer.ts';
import { NOTHING, type Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

export const grpcUnary: Scenario = {
  name: 'grpc-unary',
  title: 'gRPC, unary calls',
  description:
    'h2load as gRPC client on 16 connections with 16 calls under way on each, TLS 1.3 (TLS_AES_128_GCM_SHA256, X25519, ECDSA on P-256), messages of 13 bytes, HTTP/2 in clear to the backend, no access log.',
  run: async (context) => {
    const presence = await probeProgram(['h2load', '--version'], /nghttp2\/(\S+)/);
    if (presence.kind === 'absent') return { ...NOTHING, failures: [presence.reason] };
    const backend = await startHttp2Backend(context.directory);
    try {
      return await runSideBySide(context, {
        title: 'gRPC, unary calls',
        unit: 'call',
        series: 'bare',
        bulk: false,
        upstream: backend.port,
        upstreamHttp2: true,
        tls: await makeCertificate(context.directory),
        targets: [{ name: 'Tidegate', reference: 'nginx', atMost: 1 }],
        verify: async (origin) => {
          await expectSameTls(origin);
          await expectGrpc(`${origin}${GRPC_PATH}`, GRPC_MESSAGE);
        },
        load: (origin, seconds) =>
          runH2load({
            url: `${origin}${GRPC_PATH}`,
            seconds,
            connections: 16,
            streams: 16,
            grpcMessage: GRPC_MESSAGE,
            directory: context.directory,
          }),
      });
    } finally {
      await backend.process.stop();
    }
  },
};

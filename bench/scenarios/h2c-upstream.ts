import { startHttp2Backend } from '../backends/http2-backend.ts';
import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { makeCertificate } from '../certificate.ts';
import { runH2load } from '../load/h2load.ts';
import { expectBody } from '../load/verify.ts';
import { probeProgram } from '../peers/peer.ts';
import { type Candidate, measureRounds } from '../rounds.ts';
import { NOTHING, type Scenario } from './scenario.ts';
import { startPeers } from './side-by-side.ts';
import { measuresTidegate } from './tidegate-process.ts';

const TITLE = 'Small GET over HTTP/2, to backends of either version';

/** Tidegate beside itself: what multiplexing towards the backend saves. */
export const h2cUpstream: Scenario = {
  name: 'h2c-upstream',
  title: TITLE,
  description:
    'Tidegate before the same nginx by HTTP/1.1 and by HTTP/2 in clear; h2load on 16 connections with 16 requests under way on each, TLS 1.3, answers of 67 bytes, no access log.',
  run: async (context) => {
    const presence = await probeProgram(['h2load', '--version'], /nghttp2\/(\S+)/);
    if (presence.kind === 'absent') return { ...NOTHING, failures: [presence.reason] };
    if (!measuresTidegate(context)) return NOTHING;
    const peers = context.peers.filter(({ name }) => name === 'Tidegate');
    const backend = await startHttp2Backend(context.directory);
    const tls = await makeCertificate(context.directory);
    const common = {
      title: TITLE,
      series: 'bare',
      bulk: false,
      tls,
      verify: (origin: string) => expectBody(`${origin}/`, Buffer.from(SMALL_BODY)),
    } as const;
    const one = await startPeers({ ...context, peers }, { ...common, upstream: context.backend.port });
    const two = await startPeers(
      { ...context, peers },
      { ...common, upstream: backend.port, upstreamHttp2: true },
    );
    const [http1] = one.running;
    const [http2] = two.running;
    try {
      const failures = [...one.failures, ...two.failures];
      if (http1 === undefined || http2 === undefined) return { ...NOTHING, failures };
      const candidate = (name: string, { origin, process }: typeof http1): Candidate => ({
        name,
        pid: process.pid,
        reference: HTTP1,
        load: (seconds) =>
          runH2load({
            url: `${origin}/`,
            seconds,
            connections: 16,
            streams: 16,
            directory: context.directory,
          }),
      });
      const rows = await measureRounds([candidate(HTTP1, http1), candidate(HTTP2, http2)], context.effort);
      const targets = [{ name: HTTP2, reference: HTTP1, atMost: 0.7 }];
      return { comparisons: [{ title: TITLE, unit: 'request', rows, targets }], facts: [], failures };
    } finally {
      await Promise.all([http1?.process.stop(), http2?.process.stop(), backend.process.stop()]);
    }
  },
};

const HTTP1 = 'Tidegate, HTTP/1.1 backend';
const HTTP2 = 'Tidegate, HTTP/2 backend';

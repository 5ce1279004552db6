import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, TLS_GROUP, TLS_SUITE } from '../certificate.ts';
import { BULK_BUFFER_BYTES, type Peer, type PeerSetup, probeProgram } from './peer.ts';

export const haproxy: Peer = {
  name: 'HAProxy',
  servesTls: true,
  asksTls: true,
  asksHttp2: true,
  remarks: [
    'nbthread 1, http-reuse always, no splicing; the access log is one write per line (it has no buffered file log).',
  ],
  probe: () => probeProgram(['haproxy', '-v'], /version (\S+)/),
  prepare: async (setup) => {
    const file = join(setup.directory, 'haproxy.cfg');
    await writeFile(file, configuration(setup));
    return { argv: ['haproxy', '-db', '-f', file] };
  },
};

const LOG_FORMAT = `log-format '{"time":"%trl","client":"%ci","method":"%HM","path":"%[var(txn.path),json(utf8s)]","protocol":"%HV","status":%ST,"bytes":%B,"duration":%Ta,"upstream":"%s","upstream_time":%Tr,"host":"%[var(txn.host),json(utf8s)]","agent":"%[var(txn.agent),json(utf8s)]","request_id":"%[var(txn.id)]"}'`;

const LOG_VARIABLES = `http-request set-var(txn.host) req.hdr(host)
  http-request set-var(txn.path) pathq
  http-request set-var(txn.agent) req.hdr(user-agent)`;

/** `no strict-limits`: idle connections need one descriptor each, not the two that HAProxy reckons with. */
function configuration(setup: PeerSetup): string {
  const { port, upstream, upstreamTls, upstreamHttp2, series, bulk, tls } = setup;
  const log = series === 'log';
  return `
global
  nbthread 1
  maxconn 15000
  no strict-limits
  ${bulk ? `tune.bufsize ${BULK_BUFFER_BYTES}` : ''}
  ${log ? 'log stdout format raw local0' : ''}
defaults
  mode http
  timeout connect 2s
  timeout client 3600s
  timeout server 60s
  timeout http-keep-alive 3600s
  timeout tunnel 3600s
  http-reuse always
  ${log ? 'log global' : ''}
frontend front
  bind 127.0.0.1:${port} backlog 8192 ${tls ? tlsArguments(tls) : ''}
  ${log ? LOG_FORMAT : ''}
  ${log ? LOG_VARIABLES : ''}
  http-request set-var(txn.id) uuid()
  http-request set-header X-Request-ID %[var(txn.id)]
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Proto ${tls ? 'https' : 'http'}
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Real-IP %[src]
  http-request set-header Via '1.1 haproxy'
  default_backend back
backend back
  server backend 127.0.0.1:${upstream} pool-max-conn 512 ${upstreamTls ? 'ssl verify none ssl-min-ver TLSv1.3 alpn http/1.1' : ''} ${upstreamHttp2 ? 'proto h2' : ''}
`;
}

function tlsArguments({ combined }: Certificate): string {
  return `ssl crt ${combined} alpn h2,http/1.1 ssl-min-ver TLSv1.3 ciphersuites ${TLS_SUITE} curves ${TLS_GROUP}`;
}

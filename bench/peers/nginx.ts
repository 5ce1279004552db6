import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, TLS_GROUP, TLS_SUITE } from '../certificate.ts';
import { BULK_BUFFER_BYTES, type Peer, type PeerSetup, probeProgram } from './peer.ts';

export const nginx: Peer = {
  name: 'nginx',
  servesTls: true,
  asksTls: true,
  asksHttp2: true,
  remarks: ['worker_processes 1, upstream keepalive 256; access log buffered (64 KiB, 1 s).'],
  probe: () => probeProgram(['nginx', '-v'], /nginx\/(\S+)/),
  prepare: async (setup) => {
    const file = join(setup.directory, 'nginx.conf');
    await writeFile(file, configuration(setup));
    return { argv: ['nginx', '-p', setup.directory, '-e', 'stderr', '-c', file] };
  },
};

const LOG_FORMAT = `log_format json escape=json '{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
    '"host":"$host","path":"$request_uri","protocol":"$server_protocol","status":$status,"bytes":$body_bytes_sent,'
    '"duration":$request_time,"upstream":"$upstream_addr","upstream_time":"$upstream_response_time",'
    '"agent":"$http_user_agent","request_id":"$request_id"}';`;

/** `$connection_upgrade` is '' for ordinary requests, so that upstream connections are kept. */
function configuration(setup: PeerSetup): string {
  const { directory, port, upstream, series, bulk, tls } = setup;
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const log =
    series === 'log'
      ? `${LOG_FORMAT} access_log ${directory}/access json buffer=64k flush=1s;`
      : 'access_log off;';
  const buffers = bulk
    ? `proxy_buffer_size ${BULK_BUFFER_BYTES}; proxy_buffers 8 ${BULK_BUFFER_BYTES}; proxy_busy_buffers_size ${2 * BULK_BUFFER_BYTES};
       client_body_buffer_size ${BULK_BUFFER_BYTES}; proxy_max_temp_file_size 0;`
    : '';
  return `
daemon off; ${user} worker_processes 1; pid ${directory}/pid;
events { worker_connections 19900; }
http {
  ${log}
  keepalive_requests 1000000000; keepalive_timeout 3600s; client_max_body_size 0; tcp_nodelay on;
  client_body_temp_path ${directory}; proxy_temp_path ${directory};
  ${buffers}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream backend { server 127.0.0.1:${upstream}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 3600s; }
  server {
    listen 127.0.0.1:${port} backlog=8192 ${tls ? 'ssl http2' : ''};
    ${tls ? tlsDirectives(tls) : ''}
    location / {
      ${setup.upstreamHttp2 ? http2Upstream() : http1Upstream(setup)}
    }
  }
}
`;
}

function http1Upstream({ upstreamTls }: PeerSetup): string {
  const pass = upstreamTls ? 'proxy_ssl_protocols TLSv1.3; proxy_pass https' : 'proxy_pass http';
  return `${pass}://backend; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Host $http_host;
      ${forwarded('proxy_set_header', '1.1')}`;
}

/** Its only HTTP/2 towards backends is this, whatever the content. */
function http2Upstream(): string {
  return `grpc_pass grpc://backend; ${forwarded('grpc_set_header', '2.0')}`;
}

function forwarded(directive: string, version: string): string {
  return [
    'X-Forwarded-For $remote_addr',
    'X-Forwarded-Host $http_host',
    'X-Forwarded-Proto $scheme',
    'X-Forwarded-Port $server_port',
    'X-Real-IP $remote_addr',
    'X-Request-ID $request_id',
    `Via '${version} nginx'`,
  ]
    .map((field) => `${directive} ${field};`)
    .join('\n      ');
}

/** Its ssl_ciphers are for TLS 1.2 only; the suites of TLS 1.3 are set in OpenSSL itself. */
function tlsDirectives({ certificate, key }: Certificate): string {
  return `ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${TLS_SUITE}; ssl_ecdh_curve ${TLS_GROUP};`;
}

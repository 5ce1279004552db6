import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TLS_GROUP } from '../certificate.ts';
import { type Peer, type PeerSetup, probeProgram } from './peer.ts';

export const caddy: Peer = {
  name: 'Caddy',
  servesTls: true,
  asksTls: false,
  asksHttp2: false,
  remarks: [
    'GOMAXPROCS=1; the size of its copy buffers cannot be set (32 KiB); its access log also holds all headers.',
  ],
  probe: () => probeProgram(['caddy', 'version'], /v?(\S+)/),
  prepare: async (setup) => {
    const file = join(setup.directory, 'Caddyfile');
    await writeFile(file, configuration(setup));
    return {
      argv: ['caddy', 'run', '--adapter', 'caddyfile', '--config', file],
      env: { GOMAXPROCS: '1', XDG_DATA_HOME: setup.directory, XDG_CONFIG_HOME: setup.directory },
    };
  },
};

/** X-Forwarded-For, -Host and -Proto are set by Caddy itself. */
function configuration({ directory, port, upstream, series, tls }: PeerSetup): string {
  const log =
    series === 'log'
      ? `log {\n    output file ${directory}/access { \n roll_disabled\n }\n    format json\n  }`
      : '';
  const certificate = tls
    ? `tls ${tls.certificate} ${tls.key} {\n    protocols tls1.3\n    curves ${TLS_GROUP.toLowerCase()}\n  }`
    : '';
  return `
{
  admin off
  auto_https off
  servers {
    timeouts {
      idle 1h
    }
  }
}
${tls ? 'https' : 'http'}://:${port} {
  bind 127.0.0.1
  ${certificate}
  ${log}
  reverse_proxy 127.0.0.1:${upstream} {
    header_up X-Forwarded-Port ${port}
    header_up X-Real-IP {remote_host}
    header_up X-Request-ID {http.request.uuid}
    header_up Via "1.1 caddy"
    transport http {
      keepalive 1h
      keepalive_idle_conns 1024
      keepalive_idle_conns_per_host 1024
    }
  }
}
`;
}

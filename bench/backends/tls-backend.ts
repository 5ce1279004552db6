/** A backend that speaks TLS: nginx answering from memory, with the version, suite and group that all are to have. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, TLS_GROUP, TLS_SUITE } from '../certificate.ts';
import { freePort, LOAD_CORE, type RunningProcess, startProcess, waitForAnswer } from '../processes.ts';
import { SMALL_BODY } from './nginx-backend.ts';

export interface TlsBackend {
  /** Any path: {@link SMALL_BODY}. */
  readonly port: number;
  readonly process: RunningProcess;
}

/** Starts it on the core of the load generator. */
export async function startTlsBackend(directory: string, certificate: Certificate): Promise<TlsBackend> {
  const prefix = join(directory, 'tls-backend');
  await mkdir(prefix);
  const port = await freePort();
  const file = join(prefix, 'nginx.conf');
  await writeFile(file, configuration(prefix, port, certificate));
  const child = await startProcess({
    name: 'backend (nginx, TLS)',
    argv: ['nginx', '-p', prefix, '-e', 'stderr', '-c', file],
    cores: LOAD_CORE,
    output: join(prefix, 'out'),
  });
  await waitForAnswer(`https://127.0.0.1:${port}`, child);
  return { port, process: child };
}

function configuration(prefix: string, port: number, { certificate, key }: Certificate): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `
daemon off; ${user} worker_processes 1; pid ${prefix}/pid;
events { worker_connections 19000; multi_accept on; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; default_type text/plain; tcp_nodelay on;
  ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites ${TLS_SUITE}; ssl_ecdh_curve ${TLS_GROUP};
  server { listen 127.0.0.1:${port} ssl backlog=8192; location / { return 200 '${SMALL_BODY}'; } }
}
`;
}

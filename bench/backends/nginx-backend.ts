/**
 * The backend behind every peer: nginx answering from memory, so that the backend is neutral and far from being
 * the bottleneck.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, LOAD_CORE, startProcess, waitForAnswer } from '../processes.ts';
import { startEchoBackend } from './echo-backend.ts';

export const BULK_BYTES = 1024 * 1024;

/** Answered for every path but those below: 67 bytes. */
export const SMALL_BODY = '{"message":"A small answer as many APIs give it","ok":true,"n":100}';

export interface Backend {
  /** Any path: {@link SMALL_BODY}. `/bulk`: `bulk`. `/upload`: reads the body, then answers. `/digest`: see the echo backend. */
  readonly port: number;
  /** What `/bulk` answers: random bytes. */
  readonly bulk: Buffer;
  /** Answers every path with `second`, to be told apart in swaps. */
  readonly secondPort: number;
  /** WebSocket echo. */
  readonly echoPort: number;
}

/** Starts the backends in `directory`, on the core of the load generator. */
export async function startBackend(directory: string): Promise<Backend> {
  const prefix = join(directory, 'backend');
  await mkdir(prefix);
  const bulk = randomBytes(BULK_BYTES);
  await writeFile(join(prefix, 'bulk'), bulk);
  const echoPort = await startEchoBackend(prefix);
  const [port, secondPort] = [await freePort(), await freePort()];
  const file = join(prefix, 'nginx.conf');
  await writeFile(file, configuration({ prefix, port, secondPort, echoPort }));
  const server = await startProcess({
    name: 'backend (nginx)',
    argv: ['nginx', '-p', prefix, '-e', 'stderr', '-c', file],
    cores: LOAD_CORE,
    output: join(prefix, 'out'),
  });
  await waitForAnswer(`http://127.0.0.1:${port}`, server);
  return { port, secondPort, echoPort, bulk };
}

interface Ports {
  readonly prefix: string;
  readonly port: number;
  readonly secondPort: number;
  readonly echoPort: number;
}

/** `/upload` lets nginx read the whole body into memory before the answer is made (by the inner server). */
function configuration({ prefix, port, secondPort, echoPort }: Ports): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `
daemon off; ${user} worker_processes 1; pid ${prefix}/pid;
events { worker_connections 19000; multi_accept on; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; default_type text/plain;
  sendfile on; tcp_nodelay on; client_max_body_size 0; client_body_temp_path ${prefix}; proxy_temp_path ${prefix};
  open_file_cache max=16;
  upstream inner { server unix:${prefix}/inner; keepalive 64; }
  server {
    listen 127.0.0.1:${port} backlog=8192;
    location / { return 200 '${SMALL_BODY}'; }
    location = /bulk { root ${prefix}; }
    location = /upload {
      client_body_buffer_size 2m; proxy_pass http://inner; proxy_http_version 1.1;
      proxy_pass_request_body off; proxy_set_header Content-Length ''; proxy_set_header Connection '';
    }
    location = /digest { proxy_pass http://127.0.0.1:${echoPort}; proxy_request_buffering off; proxy_http_version 1.1; }
  }
  server { listen 127.0.0.1:${secondPort} backlog=8192; location / { return 200 'second'; } }
  server { listen unix:${prefix}/inner; location / { return 200 'stored'; } }
}
`;
}

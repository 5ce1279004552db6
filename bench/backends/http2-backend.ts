/** A backend that speaks HTTP/2 in clear: nginx answering from memory, and gRPC calls from a file in its cache. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, LOAD_CORE, type RunningProcess, startProcess } from '../processes.ts';
import { SMALL_BODY } from './nginx-backend.ts';

/** Answers any message with {@link GRPC_MESSAGE} and status OK in the trailers. */
export const GRPC_PATH = '/bench.Echo/Unary';
/** Not compressed, 13 bytes. */
export const GRPC_MESSAGE = Buffer.from('\0\0\0\0\rhello, hello!', 'latin1');

export interface Http2Backend {
  /** Any path but {@link GRPC_PATH}: {@link SMALL_BODY}. */
  readonly port: number;
  readonly process: RunningProcess;
}

/** Starts it on the core of the load generator. */
export async function startHttp2Backend(directory: string): Promise<Http2Backend> {
  const prefix = join(directory, 'http2-backend');
  await mkdir(join(prefix, 'bench.Echo'), { recursive: true });
  await writeFile(join(prefix, GRPC_PATH), GRPC_MESSAGE);
  const port = await freePort();
  const file = join(prefix, 'nginx.conf');
  await writeFile(file, configuration(prefix, port));
  const child = await startProcess({
    name: 'backend (nginx, HTTP/2)',
    argv: ['nginx', '-p', prefix, '-e', 'stderr', '-c', file],
    cores: LOAD_CORE,
    output: join(prefix, 'out'),
  });
  return { port, process: child };
}

/** A file is not served to a POST; as the page of that error it is. */
function configuration(prefix: string, port: number): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `
daemon off; ${user} worker_processes 1; pid ${prefix}/pid;
events { worker_connections 19000; multi_accept on; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; default_type text/plain; tcp_nodelay on;
  client_body_temp_path ${prefix}; open_file_cache max=16;
  server {
    listen 127.0.0.1:${port} http2 backlog=8192; root ${prefix};
    location / { return 200 '${SMALL_BODY}'; }
    location = ${GRPC_PATH} { error_page 405 =200 /message; }
    location = /message { default_type application/grpc; alias ${prefix}${GRPC_PATH}; add_trailer grpc-status 0 always; }
  }
}
`;
}

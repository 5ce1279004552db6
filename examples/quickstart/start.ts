/** `npm start`: three example backends and Tidegate in front of the manifests in this folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const program = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));

const BACKENDS = [
  { name: 'shop (first endpoint)', port: 18101 },
  { name: 'shop (second endpoint)', port: 18102 },
  { name: 'blog', port: 18103 },
];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A server that tells who it is and what reached it. */
function startBackend(name: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const { 'x-request-id': id, 'x-forwarded-for': client } = request.headers;
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    response.end(
      `Hello from ${name}.\n${request.method} ${request.url}, Host ${request.headers.host}, from ${client}, request ${id}\n`,
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly msg: string;
  readonly generation?: number;
  readonly total_ms?: number;
  readonly addresses?: Readonly<Record<string, readonly string[]>>;
}

function onLine(text: string): void {
  let line: LogLine;
  try {
    line = JSON.parse(text) as LogLine;
  } catch {
    return say(text);
  }
  switch (line.event) {
    case 'ready':
      return greet(line.addresses!['http']![0]!, line.addresses!['admin']![0]!);
    case 'table-live':
      return say(`  → change ${line.generation} is live (${line.total_ms} ms after it settled)`);
    default:
      say(`  ${line.level}: ${line.msg}`);
  }
}

function greet(http: string, admin: string): void {
  const port = http.split(':').at(-1);
  say('');
  say('Tidegate serves the manifests in examples/quickstart/. Try, in another terminal:');
  say('');
  say(`  curl http://shop.localhost:${port}/            # two endpoints, in turn`);
  say(`  curl http://shop.localhost:${port}/blog/today  # the longest path wins`);
  say(`  curl -i http://${http}/                 # any other host: the default backend`);
  say('');
  say(`  curl http://${admin}/config             # the live routing table`);
  say(`  curl http://${admin}/metrics            # Prometheus metrics`);
  say(`  open http://${admin}/                   # the dashboard`);
  say('');
  say('  bin/tidegate check examples/quickstart');
  say('  bin/tidegate explain http://shop.localhost/blog/today --manifests examples/quickstart');
  say('');
  say('Then edit examples/quickstart/ingress.yaml and send a request again. Ctrl-C stops everything.');
}

function startTidegate(): ChildProcess {
  const child = spawn(program, ['run', '--manifests', folder, '--https', 'off', '--access-log', 'off'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own: of one Ctrl-C the terminal would tell it and we would too, and a second signal cuts at once.
    detached: true,
  });
  createInterface({ input: child.stdout! }).on('line', onLine);
  return child;
}

const backends: Server[] = [];
try {
  for (const { name, port } of BACKENDS) backends.push(await startBackend(name, port));
} catch (error) {
  say(`An example backend cannot start: ${(error as Error).message}. Is the quickstart already running?`);
  process.exit(1);
}
const tidegate = startTidegate();
tidegate.on('exit', (code) => {
  for (const backend of backends) {
    backend.close();
    backend.closeAllConnections();
  }
  process.exitCode = code ?? 1;
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => tidegate.kill('SIGTERM'));

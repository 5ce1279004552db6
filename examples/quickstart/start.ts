/**
 * `npm start`: an example backend behind each EndpointSlice of this folder, or of the one that is the argument, and
 * Tidegate in front of its manifests.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

const folder = process.argv[2] ?? fileURLToPath(new URL('.', import.meta.url));
const backendsFile = join(folder, 'backends.yaml');
const program = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));

interface Backend {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** What this looks at of the documents in `backends.yaml`. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly ports: readonly { readonly port: number }[];
  readonly endpoints: readonly { readonly addresses: readonly string[] }[];
}

/** One for each EndpointSlice. Throws when the file is not what it was. */
function readBackends(): readonly Backend[] {
  const documents = parseAllDocuments(readFileSync(backendsFile, 'utf8'));
  return documents
    .map((document) => document.toJS() as Manifest)
    .filter(({ kind }) => kind === 'EndpointSlice')
    .map(({ metadata: { name }, ports, endpoints }) => ({
      name,
      address: endpoints[0]!.addresses[0]!,
      port: ports[0]!.port,
    }));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A server that tells who it is and what reached it. */
function startBackend({ name, address, port }: Backend): Promise<Server> {
  const server = createServer((request, response) => {
    const { 'x-request-id': id, 'x-forwarded-for': client } = request.headers;
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    response.end(
      `Hello from ${name}.\n${request.method} ${request.url}, Host ${request.headers.host}, from ${client}, request ${id}\n`,
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => resolve(server));
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
    case 'start-failed':
      say(`  ${line.level}: ${line.msg}`);
      return say(
        '  If a port is taken, try others: TIDEGATE_HTTP=127.0.0.1:8081 TIDEGATE_ADMIN=127.0.0.1:9091 npm start',
      );
    default:
      say(`  ${line.level}: ${line.msg}`);
  }
}

function greet(http: string, admin: string): void {
  const port = http.split(':').at(-1);
  const manifests = shown(folder);
  say('');
  say(`Tidegate serves the manifests in ${manifests}. Try, in another terminal:`);
  say('');
  say(`  curl http://shop.localhost:${port}/            # two endpoints, in turn`);
  say(`  curl http://shop.localhost:${port}/blog/today  # the longest path wins`);
  say(`  curl -i http://${http}/                 # any other host: the default backend`);
  say('');
  say(`  curl http://${admin}/config             # the live routing table`);
  say(`  curl http://${admin}/metrics            # Prometheus metrics`);
  say(`  open http://${admin}/                   # the dashboard`);
  say('');
  say(`  bin/tidegate check ${manifests}`);
  say(`  bin/tidegate explain http://shop.localhost/blog/today --manifests ${manifests}`);
  say('');
  say(`Then edit ${join(manifests, 'ingress.yaml')} and send a request again. Ctrl-C stops everything.`);
}

/** A path as it is typed from here. */
function shown(path: string): string {
  return relative('.', path) || '.';
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
for (const backend of readBackends()) {
  try {
    backends.push(await startBackend(backend));
  } catch (error) {
    const { name, address, port } = backend;
    say(`The example backend ${name} cannot listen on ${address}:${port}: ${(error as Error).message}.`);
    say(`Is the quickstart already running? Else write a free port for it in ${shown(backendsFile)}.`);
    process.exit(1);
  }
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

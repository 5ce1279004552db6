/**
 * Asks a URL every 10 ms, each time on a connection of its own. Arguments: URL, patience in ms, and how long the body
 * takes to send in ms (0: there is none). A line on standard input asks for the report: of each request when it began
 * (ms), how long it took, and why it failed.
 */
import { request as ask } from 'node:http';
import { createInterface } from 'node:readline';

export interface Asked {
  readonly at: number;
  /** Milliseconds; null while it is under way. */
  took: number | null;
  /** '' for an answer 200. */
  failure: string;
}

const EVERY_MS = 10;
const [url = '', patience = '1000', bodyMs = '0'] = process.argv.slice(2);
const bodyTakes = Number(bodyMs);
const all: Asked[] = [];

function begin(): void {
  const asked: Asked = { at: performance.now(), took: null, failure: '' };
  all.push(asked);
  const end = (failure: string) => {
    if (asked.took !== null) return;
    asked.took = performance.now() - asked.at;
    asked.failure = failure;
    clearTimeout(late);
  };
  const method = bodyTakes > 0 ? 'POST' : 'GET';
  const request = ask(url, { agent: false, method, headers: { connection: 'close' } }, (response) => {
    response.resume();
    response.on('end', () => end(response.statusCode === 200 ? '' : `status ${response.statusCode}`));
  });
  const late = setTimeout(() => request.destroy(new Error('no answer in time')), Number(patience));
  request.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  if (bodyTakes === 0) return void request.end();
  request.write('first, ');
  setTimeout(() => request.end('second'), bodyTakes);
}

setInterval(begin, EVERY_MS);
createInterface({ input: process.stdin }).on('line', () => process.stdout.write(`${JSON.stringify(all)}\n`));

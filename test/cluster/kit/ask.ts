/** Requests to Tidegate: one, until the answer is the wanted one, or without pause while something else happens. */
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Echo } from '../../kit/echo-backend.ts';
import { DEADLINE_MS, eventually, type Scope } from '../../kit/waiting.ts';

export interface Answer {
  readonly status: number;
  /** The name of the echo backend that answered; null when Tidegate answered itself. */
  readonly backend: string | null;
}

/** GETs a path of a host from a port of 127.0.0.1, on a connection of its own unless an agent is given. */
export async function ask(port: number, host: string, path = '/', agent?: Agent): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request(
    { host: '127.0.0.1', port, path, agent: agent ?? false, headers: { host }, timeout: DEADLINE_MS },
    resolve,
  );
  sent.on('timeout', () => sent.destroy(new Error(`${host}${path}: no answer`)));
  sent.on('error', reject);
  sent.end();
  const response = await promise;
  const body = await text(response);
  const status = response.statusCode ?? 0;
  return { status, backend: status === 200 ? (JSON.parse(body) as Echo).backend : null };
}

/** Asks until the answer is `wanted`: a status, or the name of a backend. */
export async function untilAnswered(
  port: number,
  host: string,
  wanted: number | string,
  path = '/',
  ms = DEADLINE_MS,
): Promise<void> {
  await eventually(async () => {
    const answer = await ask(port, host, path);
    const got = typeof wanted === 'number' ? answer.status : answer.backend;
    if (got !== wanted) throw new Error(`${host}${path}: ${JSON.stringify(answer)} instead of ${wanted}`);
  }, ms);
}

export interface Traffic {
  readonly answered: number;
  /** What came instead of an answer of the right backend. */
  readonly failures: readonly string[];
  /** Ends it after the requests that run. */
  stop(): Promise<void>;
}

/** Keeps `connections` connections busy with requests that `backend` shall answer. */
export function startTraffic(
  scope: Scope,
  port: number,
  host: string,
  backend: string,
  connections = 2,
): Traffic {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const failures: string[] = [];
  let answered = 0;
  let stopped = false;
  const loop = async () => {
    while (!stopped) {
      const answer = await ask(port, host, '/', agent).catch((error: Error) => error.message);
      if (typeof answer === 'object' && answer.backend === backend) answered++;
      else if (failures.length < 20) failures.push(JSON.stringify(answer));
    }
  };
  const loops = Promise.all(Array.from({ length: connections }, loop));
  const stop = async () => {
    stopped = true;
    await loops;
    agent.destroy();
  };
  scope.after(stop);
  return {
    get answered() {
      return answered;
    },
    failures,
    stop,
  };
}

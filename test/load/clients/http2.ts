/** Clients of HTTP/2 over TLS: several requests at a time in one connection, every byte compared. */

import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { now } from '../clock.ts';
import { PayloadCheck, payload } from '../payload.ts';
import { BACKEND_FIELD, CHECKED, TASK_FIELD, taskText } from '../task.ts';
import { type Client, Fault, headFault, LATE_MS, makeRequest, type Request, type Rounds } from './client.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const MOST_AT_ONCE = 6;
const MOST_ROUNDS = 30;
const ABANDON_MS = 50;

interface Connection {
  readonly session: ClientHttp2Session;
  readonly openedAt: number;
}

/** GETs and POSTs at the same time; now and then one of them is given up while the others go on. */
export const multiplexed: Rounds = (client) => {
  let connection: Connection | null = null;
  let left = 0;
  return async () => {
    if (connection === null || left === 0 || connection.session.closed || connection.session.destroyed) {
      connection?.session.close();
      connection = await open(client);
      left = MOST_ROUNDS;
    }
    left--;
    const { random } = client;
    const running = connection;
    const asked = Array.from({ length: random.int(1, MOST_AT_ONCE) }, () => oneOf(client, running));
    if (random.chance(0.2)) asked.push(giveUp(client, running));
    const outcomes = await Promise.allSettled(asked);
    // A connection that breaks is one failure, however many streams it cost.
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  };
};

async function open({ httpsPort }: Client): Promise<Connection> {
  const openedAt = now();
  const session = connect(`https://127.0.0.1:${httpsPort}`, { rejectUnauthorized: false, servername: '' });
  session.on('error', () => {});
  try {
    await once(session, 'connect', { signal: AbortSignal.timeout(LATE_MS) });
  } catch (error) {
    session.destroy();
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Fault(code === 'ECONNREFUSED' ? 'refused' : 'cut', openedAt, `TLS: ${code} ${message}`);
  }
  return { session, openedAt };
}

function oneOf(client: Client, connection: Connection): Promise<void> {
  const { random } = client;
  const method = random.pick(['GET', 'GET', 'POST'] as const);
  const act = method === 'GET' ? 'give' : random.pick(['check', 'echo'] as const);
  return exchange(client, makeRequest(random, method, act, MIB), connection);
}

function begin({ session }: Connection, { method, host, target, task }: Request): ClientHttp2Stream {
  return session.request(
    {
      ':method': method,
      ':authority': host,
      ':path': target,
      [TASK_FIELD]: taskText(task),
      ...(method === 'POST' && task.framing === 'length' ? { 'content-length': task.size } : {}),
    },
    { endStream: method !== 'POST' },
  );
}

async function exchange(client: Client, request: Request, connection: Connection): Promise<void> {
  const { openedAt } = connection;
  const start = now();
  const { method, task } = request;
  const late = AbortSignal.timeout(LATE_MS);
  let stream: ClientHttp2Stream | null = null;
  try {
    stream = begin(connection, request);
    const answered = headOf(stream, late);
    if (method === 'POST') {
      // What goes wrong in sending is told by the stream's own events.
      void pipeline(Readable.from(payload(task.seed, 0, task.size)), stream, { signal: late }).catch(
        () => {},
      );
    }
    const head = await answered;
    const end = now();
    const fault = headFault(request, Number(head[':status']), (name) => head[name]?.toString() ?? null);
    if (fault !== null) throw new Fault('wrong', openedAt, fault);
    await checkBody(client, request, stream, openedAt);
    client.answered(request, start, end, String(head[BACKEND_FIELD]));
  } catch (error) {
    if (error instanceof Fault) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    // Between GOAWAY and a request that was not sent yet, nghttp2 itself refuses the stream: nobody looked at it.
    const refused = stream?.rstCode === constants.NGHTTP2_REFUSED_STREAM;
    const kind = late.aborted ? 'late' : refused ? 'refused' : 'cut';
    throw new Fault(
      kind,
      openedAt,
      `HTTP/2 ${method} ${request.host}${request.target} ${task.act} ${task.size} bytes: ${code} ${message}`,
    );
  }
}

function headOf(stream: ClientHttp2Stream, late: AbortSignal): Promise<IncomingHttpHeaders> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingHttpHeaders>();
  late.addEventListener('abort', () => stream.destroy(new Error('late')));
  stream.on('response', resolve);
  stream.on('error', reject);
  // A connection that ends takes its streams with it, without an error.
  stream.on('close', () => reject(new Error(`closed with ${stream.rstCode}`)));
  return promise;
}

async function checkBody(
  client: Client,
  { method, task }: Request,
  stream: ClientHttp2Stream,
  openedAt: number,
): Promise<void> {
  const check = new PayloadCheck(task.seed);
  const text: Buffer[] = [];
  for await (const bytes of stream) {
    if (task.act === 'check') text.push(bytes as Buffer);
    else check.add(bytes as Buffer);
  }
  if (stream.rstCode !== 0) throw new Error(`reset with ${stream.rstCode}`);
  client.countBytes(check.received + (method === 'POST' ? task.size : 0));
  const verdict =
    task.act === 'check' ? Buffer.concat(text).toString() : (check.verdict(task.size) ?? CHECKED);
  if (verdict !== CHECKED) throw new Fault('wrong', openedAt, `task ${task.id} (${task.act}): ${verdict}`);
}

/** A stream that is cancelled in the middle; what it leaves behind must not hurt those beside it. */
async function giveUp(client: Client, connection: Connection): Promise<void> {
  const stream = begin(connection, makeRequest(client.random, 'GET', 'drip', MIB));
  stream.on('error', () => {});
  stream.resume();
  await delay(client.random.int(0, ABANDON_MS));
  stream.close(8);
  client.countAbandoned();
}

/** One request and its answer through node:http, each at its own pace, every byte compared. */
import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { now } from '../clock.ts';
import { PayloadCheck, payload } from '../payload.ts';
import { BACKEND_FIELD, CHECKED } from '../task.ts';
import { type Client, Fault, headFault, LATE_MS, type Request, requestFields } from './client.ts';

export interface Manner {
  /** false: a connection of its own. */
  readonly agent: Agent | false;
  /** Over TLS; `agent` is then one of node:https. */
  readonly secure?: boolean;
  /** How a body is framed. */
  readonly framing?: 'length' | 'chunked';
  /** Waits for `100 Continue` before the body. */
  readonly expect?: boolean;
  /** Pause in ms after each piece that is sent, or received. */
  readonly sendPause?: number;
  readonly readPause?: number;
}

const PIECE_BYTES = 50_000;
/** A slow client does so many pieces slowly, then the rest at once: it must come to an end. */
const SLOW_PIECES = 30;

const openings = new WeakMap<Socket, number>();

/** Sends the request and checks the answer. Rejects with a Fault. */
export async function exchange(client: Client, request: Request, manner: Manner): Promise<void> {
  const start = now();
  const { secure = false } = manner;
  const outgoing = (secure ? httpsRequest : httpRequest)({
    host: '127.0.0.1',
    port: secure ? client.httpsPort : client.port,
    ...(secure ? { rejectUnauthorized: false, servername: '' } : {}),
    agent: manner.agent,
    method: request.method,
    path: request.target,
    headers: { ...requestFields(request), ...bodyFields(request, manner) },
  });
  const late = setTimeout(() => outgoing.destroy(new Error('late')), LATE_MS);
  let openedAt = start;
  outgoing.on('socket', (socket) => {
    openedAt = openings.get(socket) ?? start;
    openings.set(socket, openedAt);
  });
  try {
    const response = await answerTo(outgoing, request, manner);
    const end = now();
    const { statusCode = 0, headers } = response;
    const fault = headFault(request, statusCode, (name) => headers[name]?.toString() ?? null);
    if (fault !== null) throw new Fault('wrong', openedAt, fault);
    await checkBody(client, request, response, manner, openedAt);
    client.answered(request, start, end, String(headers[BACKEND_FIELD]));
  } catch (error) {
    outgoing.destroy();
    throw faultOf(error as NodeJS.ErrnoException, openedAt, request, manner);
  } finally {
    clearTimeout(late);
  }
}

function bodyFields({ method, task }: Request, { framing, expect }: Manner): Record<string, string | number> {
  if (method !== 'POST') return {};
  const expectation = expect ? { expect: '100-continue' } : {};
  if (framing === 'chunked') return { 'transfer-encoding': 'chunked', ...expectation };
  return { 'content-length': task.size, ...expectation };
}

/** Sends the request with its body; resolves with the head of the answer. */
function answerTo(outgoing: ClientRequest, request: Request, manner: Manner): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  outgoing.on('error', reject);
  outgoing.on('response', resolve);
  // What goes wrong in sending is told by the events above.
  const send = () => void pipeline(Readable.from(pieces(request, manner)), outgoing).catch(() => {});
  if (request.method !== 'POST') outgoing.end();
  else if (manner.expect) {
    outgoing.on('continue', send);
    outgoing.flushHeaders();
  } else send();
  return promise;
}

async function* pieces({ task }: Request, { sendPause = 0 }: Manner): AsyncGenerator<Buffer> {
  let slow = sendPause > 0 ? SLOW_PIECES : 0;
  const step = slow > 0 ? Math.max(1, Math.ceil(task.size / SLOW_PIECES)) : PIECE_BYTES;
  for (let at = 0; at < task.size; at += step) {
    yield* payload(task.seed, at, Math.min(task.size, at + step));
    if (slow-- > 0) await delay(sendPause);
  }
}

async function checkBody(
  client: Client,
  { method, task }: Request,
  response: IncomingMessage,
  { readPause = 0 }: Manner,
  openedAt: number,
): Promise<void> {
  const check = new PayloadCheck(task.seed);
  const text: Buffer[] = [];
  let slow = readPause > 0 ? SLOW_PIECES : 0;
  for await (const bytes of response) {
    if (task.act === 'check') text.push(bytes as Buffer);
    else check.add(bytes as Buffer);
    if (slow-- > 0) await delay(readPause);
  }
  client.countBytes(check.received + (method === 'POST' ? task.size : 0));
  const verdict =
    task.act === 'check'
      ? Buffer.concat(text).toString()
      : (check.verdict(method === 'HEAD' ? 0 : task.size) ?? CHECKED);
  if (verdict !== CHECKED) throw new Fault('wrong', openedAt, `task ${task.id} (${task.act}): ${verdict}`);
}

function faultOf(
  error: NodeJS.ErrnoException,
  openedAt: number,
  { method, host, target, task }: Request,
  { sendPause = 0, readPause = 0 }: Manner,
): Fault {
  if (error instanceof Fault) return error;
  const message = `${method} ${host}${target} ${task.act} ${task.size} bytes: ${error.code ?? ''} ${error.message}`;
  if (error.message === 'late') return new Fault('late', openedAt, message);
  if (error.code === 'ECONNREFUSED') return new Fault('refused', openedAt, message);
  // HPE_… is node's parser: the bytes were no HTTP.
  const kind = error.code?.startsWith('HPE_') ? 'wrong' : 'cut';
  return new Fault(kind, openedAt, message, SLOW_PIECES * (sendPause + readPause));
}

/** WebSocket sessions: messages of many sizes, several on the way at once, each compared with its echo. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { now } from '../clock.ts';
import { bodySize, wholePayload } from '../payload.ts';
import { BACKEND_FIELD, SEEN_FIELD } from '../task.ts';
import {
  type Client,
  Fault,
  LATE_MS,
  makeRequest,
  type Request,
  type Rounds,
  requestFields,
} from './client.ts';

const MAX_BYTES = 256 * 1024;
const MOST_MESSAGES = 40;
/** Messages on their way at once. */
const WINDOW = 4;
const PAUSE_MS = 50;

export const webSockets: Rounds = (client) => async () => {
  const request = makeRequest(client.random, 'GET', 'echo', MAX_BYTES);
  const openedAt = now();
  const webSocket = new WebSocket(`ws://127.0.0.1:${client.port}${request.target}`, {
    headers: requestFields(request),
    perMessageDeflate: false,
  });
  const late = setTimeout(() => webSocket.emit('error', new Error('late')), LATE_MS);
  const broken = brokenBy(webSocket, request, openedAt);
  try {
    await Promise.race([broken, session(client, webSocket, request, openedAt)]);
  } finally {
    clearTimeout(late);
    webSocket.terminate();
  }
};

/** Rejects when the session ends before its time. */
function brokenBy(webSocket: WebSocket, request: Request, openedAt: number): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const asked = `WebSocket ${request.host}${request.target}`;
  webSocket.on('unexpected-response', (_, response) =>
    reject(new Fault('wrong', openedAt, `${asked}: status ${response.statusCode}`)),
  );
  webSocket.on('error', (error: NodeJS.ErrnoException) => {
    const kind = error.code === 'ECONNREFUSED' ? 'refused' : error.message === 'late' ? 'late' : 'cut';
    reject(new Fault(kind, openedAt, `${asked}: ${error.message}`));
  });
  webSocket.on('close', (code) => {
    if (code !== 1000) reject(new Fault('cut', openedAt, `${asked}: closed with ${code}`));
  });
  // Of two failures the second has nobody to tell.
  promise.catch(() => {});
  return promise;
}

async function session(
  client: Client,
  webSocket: WebSocket,
  request: Request,
  openedAt: number,
): Promise<void> {
  const wrong = (what: string): Fault =>
    new Fault('wrong', openedAt, `WebSocket ${request.host}${request.target}: ${what}`);
  const [response] = await once(webSocket, 'upgrade');
  const { headers } = response as { headers: Record<string, string | undefined> };
  const { [SEEN_FIELD]: seen, [BACKEND_FIELD]: backend = '' } = headers;
  if (seen !== `GET ${request.host}${request.target}`) throw wrong(`the backend saw ${seen}`);
  client.answered(request, openedAt, now(), backend);
  if (webSocket.readyState !== WebSocket.OPEN) await once(webSocket, 'open');

  const { random } = client;
  const messages = Array.from({ length: random.int(1, MOST_MESSAGES) }, (_, index) =>
    wholePayload(request.task.seed + index, bodySize(random, MAX_BYTES)),
  );
  const slow = random.chance(0.3);
  let sent = 0;
  const echoed = Promise.withResolvers<void>();
  const sendSome = (received: number) => {
    while (sent < messages.length && sent < received + WINDOW) webSocket.send(messages[sent++]!);
  };
  let received = 0;
  webSocket.on('message', (data: Buffer) => {
    const expected = messages[received]!;
    if (!expected.equals(data)) return echoed.reject(wrong(`message ${received} came back changed`));
    client.countWebSocketMessage();
    client.countBytes(2 * data.length);
    if (++received === messages.length) return echoed.resolve();
    if (slow) void delay(PAUSE_MS).then(() => sendSome(received));
    else sendSome(received);
  });
  sendSome(0);
  await echoed.promise;
  webSocket.close(1000);
  await once(webSocket, 'close');
}

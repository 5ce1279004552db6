/** Clients that use the protocol in ways that node:http does not. */
import { fieldValue, type HttpMessage, statusOf } from '../../kit/http-message.ts';
import { connect, type RawClient } from '../../kit/raw-client.ts';
import { now } from '../clock.ts';
import { PayloadCheck } from '../payload.ts';
import { BACKEND_FIELD } from '../task.ts';
import {
  type Client,
  Fault,
  headFault,
  LATE_MS,
  makeRequest,
  type Request,
  type Rounds,
  requestFields,
} from './client.ts';

const MAX_BYTES = 64 * 1024;
const DEEPEST_PIPELINE = 8;

/** Several GETs in one write; their answers come in order. */
export const pipeliners: Rounds = (client) => () =>
  onConnection(client, async (raw, openedAt) => {
    for (let bursts = client.random.int(1, 5); bursts > 0; bursts--) {
      const depth = client.random.int(2, DEEPEST_PIPELINE);
      const requests = Array.from({ length: depth }, () =>
        makeRequest(client.random, 'GET', 'give', MAX_BYTES),
      );
      const start = now();
      raw.send(requests.map((request) => head(request, '1.1')).join(''));
      for (const request of requests) {
        const response = await answer(client, raw, request, start, openedAt);
        // A server that goes may leave the rest of a pipeline unanswered, if it says so (RFC 9112, 9.6).
        if (client.draining() && says(response, 'close')) return;
      }
    }
  });

/** HTTP/1.0: no chunks, and the end of the connection is the end of a body of unknown length. */
export const oldClients: Rounds = (client) => () =>
  onConnection(client, async (raw, openedAt) => {
    for (let left = client.random.int(0, 3); ; left--) {
      const request = makeRequest(client.random, 'GET', 'give', MAX_BYTES);
      const start = now();
      raw.send(head(request, '1.0', left > 0 ? 'Connection: keep-alive\r\n' : ''));
      const response = await answer(client, raw, request, start, openedAt);
      if (!says(response, 'keep-alive')) break;
    }
    await inOrder(raw, openedAt);
  });

/** Close their sending side behind the request, and still want the answer. */
export const halfClosers: Rounds = (client) => () =>
  onConnection(client, async (raw, openedAt) => {
    const request = makeRequest(client.random, 'GET', 'give', MAX_BYTES);
    const start = now();
    raw.send(head(request, '1.1'));
    raw.halfClose();
    await answer(client, raw, request, start, openedAt);
    await inOrder(raw, openedAt);
  });

function head(request: Request, version: '1.0' | '1.1', more = ''): string {
  const fields = Object.entries(requestFields(request)).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${request.method} ${request.target} HTTP/${version}\r\n${fields.join('')}${more}\r\n`;
}

function says(response: HttpMessage, option: string): boolean {
  return fieldValue(response, 'connection')?.toLowerCase() === option;
}

/** Runs a round on a fresh connection, and turns what goes wrong with it into a Fault. */
async function onConnection(
  client: Client,
  round: (raw: RawClient, openedAt: number) => Promise<void>,
): Promise<void> {
  const openedAt = now();
  let close = (): void | Promise<void> => {};
  const scope = {
    after: (cleanUp: () => void | Promise<void>) => {
      close = cleanUp;
    },
  };
  try {
    await round(await connect(scope, client.port), openedAt);
  } catch (error) {
    if (error instanceof Fault) throw error;
    const { message, code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED') throw new Fault('refused', openedAt, message);
    throw new Fault(message.startsWith('waited') ? 'late' : 'cut', openedAt, message);
  } finally {
    await close();
  }
}

async function answer(
  client: Client,
  raw: RawClient,
  request: Request,
  start: number,
  openedAt: number,
): Promise<HttpMessage> {
  const response = await raw.response(request.method, LATE_MS);
  const fault = headFault(request, statusOf(response), (name) => fieldValue(response, name));
  if (fault !== null) throw new Fault('wrong', openedAt, fault);
  const { task } = request;
  const check = new PayloadCheck(task.seed);
  check.add(response.body);
  const verdict = check.verdict(task.size);
  if (verdict !== null) {
    // Without a length, an answer that was cut looks like one that is short.
    const short = response.framing === 'until-close' && check.wrongAt < 0 && check.received < task.size;
    throw new Fault(short ? 'cut' : 'wrong', openedAt, `task ${task.id}: ${verdict}`);
  }
  client.countBytes(check.received);
  client.answered(request, start, now(), fieldValue(response, BACKEND_FIELD)!);
  return response;
}

/** The server closes the connection after its answer, and does so in order. */
async function inOrder(raw: RawClient, openedAt: number): Promise<void> {
  if ((await raw.ended(LATE_MS)) !== 'fin')
    throw new Fault('cut', openedAt, 'a reset instead of the end of the connection');
}

/** Clients as most are: they send and read as fast as they are let. */
import { Agent, request as httpRequest } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { now } from '../clock.ts';
import { bodySize } from '../payload.ts';
import { type Client, Fault, makeRequest, type Request, type Rounds, requestFields } from './client.ts';
import { exchange } from './exchange.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const keepAlive = (): Agent => new Agent({ keepAlive: true, maxSockets: 1 });

function makeUpload({ random }: Client, act: 'check' | 'echo'): Request {
  return makeRequest(random, 'POST', act, 2 * MIB);
}

/** GET and HEAD, one after the other on one connection. */
export const keptGets: Rounds = (client) => {
  const agent = keepAlive();
  return () => {
    const method = client.random.chance(0.1) ? 'HEAD' : 'GET';
    return exchange(client, makeRequest(client.random, method, 'give', 256 * KIB), { agent });
  };
};

/** A connection for each GET. */
export const freshGets: Rounds = (client) => () =>
  exchange(client, makeRequest(client.random, 'GET', 'give', 64 * KIB), { agent: false });

export const downloads: Rounds = (client) => {
  const agent = keepAlive();
  return () => exchange(client, makeRequest(client.random, 'GET', 'give', 8 * MIB), { agent });
};

/** Bodies that the backend reads to their end before it answers. */
export const uploads: Rounds = (client) => {
  const agent = keepAlive();
  return () => {
    const { random } = client;
    const framing = random.chance(0.5) ? 'length' : 'chunked';
    const request = makeUpload(client, 'check');
    return exchange(client, request, { agent, framing, expect: request.task.size > 0 && random.chance(0.1) });
  };
};

/** Bodies that come back while they are still being sent. */
export const echoes: Rounds = (client) => {
  const agent = keepAlive();
  return () =>
    exchange(client, makeUpload(client, 'echo'), {
      agent,
      framing: client.random.chance(0.5) ? 'length' : 'chunked',
    });
};

/** Over TLS, on a connection that lasts for some requests; the next takes up its session. */
export const overTls: Rounds = (client) => {
  const agent = new TlsAgent({ keepAlive: true, maxSockets: 1 });
  return () => {
    const { random } = client;
    if (random.chance(0.05)) agent.destroy();
    const request = random.chance(0.7)
      ? makeRequest(random, 'GET', 'give', MIB)
      : makeUpload(client, random.pick(['check', 'echo']));
    const framing = random.chance(0.5) ? 'length' : 'chunked';
    return exchange(client, request, { agent, secure: true, framing });
  };
};

/** Clients that leave in the middle, of a download or of an upload; what they leave behind must not hurt others. */
export const abandoners: Rounds = (client) => async () => {
  const { random, port } = client;
  const openedAt = now();
  const method = random.chance(0.5) ? 'GET' : 'POST';
  const request = makeRequest(random, method, method === 'GET' ? 'drip' : 'echo', MIB);
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port,
    agent: false,
    method,
    path: request.target,
    headers: requestFields(request),
  });
  let refused = false;
  outgoing.on('error', ({ code }: NodeJS.ErrnoException) => {
    refused = code === 'ECONNREFUSED';
  });
  outgoing.on('response', (response) => response.on('error', () => {}).resume());
  if (method === 'GET') outgoing.end();
  else outgoing.write(Buffer.alloc(bodySize(random, 128 * KIB)));
  await delay(random.int(0, 99));
  outgoing.destroy();
  if (refused) throw new Fault('refused', openedAt, `${method}: connection refused`);
  client.countAbandoned();
};

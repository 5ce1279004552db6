/** Clients, and backends, that take their time. */
import { Agent } from 'node:http';
import { makeRequest, type Rounds } from './client.ts';
import { exchange } from './exchange.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PAUSE_MS = 40;

const keepAlive = (): Agent => new Agent({ keepAlive: true, maxSockets: 1 });

/** Read a little, rest, read on, while the backend could send all at once. */
export const slowReaders: Rounds = (client) => {
  const agent = keepAlive();
  return () =>
    exchange(client, makeRequest(client.random, 'GET', 'give', 6 * MIB), { agent, readPause: PAUSE_MS });
};

/** Send a body in many pieces with rests between them. */
export const slowWriters: Rounds = (client) => {
  const agent = keepAlive();
  return () =>
    exchange(client, makeRequest(client.random, 'POST', client.random.pick(['check', 'echo']), 200 * KIB), {
      agent,
      framing: client.random.chance(0.5) ? 'length' : 'chunked',
      sendPause: PAUSE_MS,
    });
};

/** The backend is the slow one. */
export const drips: Rounds = (client) => {
  const agent = keepAlive();
  return () => exchange(client, makeRequest(client.random, 'GET', 'drip', 200 * KIB), { agent });
};

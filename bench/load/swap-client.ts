/**
 * node swap-client.ts PORT MANIFESTS INGRESSES SWAPS
 *
 * Asks for one host on some connections and for random others on as many, each every few milliseconds. Meanwhile
 * renames a new version of that host's Ingress into place and takes the time until all connections have seen the
 * new backend. Prints a SwapResult.
 */
import { rename } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { hostIngress, hostName, ingressFile, writeObjects } from '../manifests.ts';
import { quantile } from '../statistics.ts';
import { type Connection, openConnection } from './connection.ts';

export interface SwapResult {
  /** For each swap, from the rename until the last connection had an answer of the new backend. */
  readonly liveMs: readonly number[];
  /** Of all answers; a worker that pauses shows here. */
  readonly p99Ms: number;
  readonly slowestMs: number;
  readonly requests: number;
  readonly seconds: number;
  /** Wrong or failed answers, the first few in words. */
  readonly errors: number;
  readonly failures: readonly string[];
}

/** With 16 connections, both of two workers have some with a probability of 0.99997. */
const CONNECTIONS = 16;
const PACE_MS = 3;
const TIMEOUT_MS = 5000;

/** What a connection that asks for the changed host knows. */
interface Probe {
  /** Backend of the last answer. */
  seen: string;
  seenAt: number;
}

const [port, manifests = '', ingresses, swaps] = process.argv.slice(2);
const target = Math.floor(Number(ingresses) / 2);
const failures: string[] = [];
let errors = 0;
const latencies: number[] = [];
let running = true;

/** The answers that are right: the new one, and until it is live the old one. */
let expected = { before: SMALL_BODY, after: SMALL_BODY };
const probes: Probe[] = Array.from({ length: CONNECTIONS }, () => ({ seen: SMALL_BODY, seenAt: 0 }));

const start = performance.now();
const asking = [...probes.map(askForTarget), ...probes.map(askForOthers)];
const liveMs: number[] = [];
for (let swap = 0; swap < Number(swaps); swap++) liveMs.push(await swapOnce(swap % 2 === 0));
running = false;
await Promise.all(asking);
const result: SwapResult = {
  liveMs,
  p99Ms: quantile(latencies, 0.99),
  slowestMs: quantile(latencies, 1),
  requests: latencies.length,
  seconds: (performance.now() - start) / 1000,
  errors,
  failures,
};
console.log(JSON.stringify(result));
process.exit(0);

async function swapOnce(toSecond: boolean): Promise<number> {
  const file = ingressFile(manifests, target);
  await writeObjects(`${file}.next`, [hostIngress(target, toSecond ? 'second' : 'service-0')]);
  expected = { before: expected.after, after: toSecond ? 'second' : SMALL_BODY };
  const from = performance.now();
  await rename(`${file}.next`, file);
  while (probes.some(({ seen }) => seen !== expected.after)) {
    if (performance.now() - from > TIMEOUT_MS) {
      fail(`swap not live after ${TIMEOUT_MS} ms`);
      break;
    }
    await delay(1);
  }
  const live = Math.max(...probes.map(({ seenAt }) => seenAt)) - from;
  expected = { before: expected.after, after: expected.after };
  await delay(50 + Math.random() * 100);
  return live;
}

async function askForTarget(probe: Probe): Promise<void> {
  const connection = await openConnection(Number(port));
  while (running) {
    const body = await ask(connection, target);
    const right = body === expected.after || (body === expected.before && probe.seen === expected.before);
    if (!right) fail(`changed host: unexpected body ${body.slice(0, 40)}`);
    if (body !== probe.seen) {
      probe.seen = body;
      probe.seenAt = performance.now();
    }
    await delay(PACE_MS);
  }
}

async function askForOthers(): Promise<void> {
  const connection = await openConnection(Number(port));
  while (running) {
    const other = Math.floor(Math.random() * Number(ingresses));
    if (other === target) continue;
    const body = await ask(connection, other);
    if (body !== SMALL_BODY) fail(`other host: unexpected body ${body.slice(0, 40)}`);
    await delay(PACE_MS);
  }
}

async function ask(connection: Connection, index: number): Promise<string> {
  const from = performance.now();
  const { status, body } = await connection.get(hostName(index), '/path-3/page');
  latencies.push(performance.now() - from);
  if (status !== 200) fail(`${hostName(index)}: status ${status}`);
  return body;
}

function fail(message: string): void {
  errors++;
  if (failures.length < 5) failures.push(message);
}

/** h2load as load generator for HTTP/2 over TLS: one thread, a closed loop of so many streams on each connection. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { TLS_GROUP, TLS_SUITE } from '../certificate.ts';
import { runToEnd } from '../processes.ts';
import { quantile } from '../statistics.ts';
import type { LoadResult } from './load.ts';

export interface H2loadSetup {
  readonly url: string;
  readonly seconds: number;
  readonly connections: number;
  /** Requests under way on each connection. */
  readonly streams: number;
  /** Posted to it as gRPC does; without it, it is asked by GET. */
  readonly grpcMessage?: Buffer;
  /** Where it may leave its log of single requests. */
  readonly directory: string;
}

/** Rejects when h2load fails or HTTP/2 over the TLS that all are to have is not what was spoken. */
export async function runH2load(setup: H2loadSetup): Promise<LoadResult> {
  const log = `${setup.directory}/h2load.log`;
  await rm(log, { force: true });
  const output = await runToEnd([
    ...['h2load', '-t', '1', '-c', String(setup.connections), '-m', String(setup.streams)],
    ...(await grpcArguments(setup)),
    ...['-D', String(setup.seconds), '--log-file', log, setup.url],
  ]);
  for (const expected of ['Application protocol: h2', `Cipher: ${TLS_SUITE}`, `Temp Key: ${TLS_GROUP}`]) {
    if (!output.includes(expected)) throw new Error(`${setup.url}: h2load does not report "${expected}"`);
  }
  return { ...parseReport(output), ...latencies(await readFile(log, 'utf8')) };
}

async function grpcArguments({ grpcMessage, directory }: H2loadSetup): Promise<string[]> {
  if (grpcMessage === undefined) return [];
  const file = `${directory}/h2load.message`;
  await writeFile(file, grpcMessage);
  return ['-d', file, '-H', 'content-type: application/grpc', '-H', 'te: trailers'];
}

/**
 * The figures of its report. Requests under way when the time is over are neither done nor failed, but when their
 * head was there they count among the statuses. Answers of 400 and above are among the failed.
 */
export function parseReport(output: string): Pick<LoadResult, 'completed' | 'seconds' | 'errors'> {
  const figure = (pattern: RegExp): number => {
    const text = pattern.exec(output)?.[1];
    if (text === undefined) throw new Error(`h2load: nothing like ${pattern} in its report`);
    return Number(text);
  };
  const done = figure(/(\d+) done/);
  const perSecond = figure(/, ([\d.]+) req\/s/);
  const errors = figure(/(\d+) failed/) + figure(/(\d+) 3xx/);
  return { completed: done, seconds: done / perSecond, errors };
}

/** Each line: start in µs, status, duration in µs. */
function latencies(log: string): Pick<LoadResult, 'p50Us' | 'p99Us'> {
  const durations = log.split('\n').flatMap((line) => {
    const duration = line.split('\t')[2];
    return duration === undefined ? [] : [Number(duration)];
  });
  return { p50Us: quantile(durations, 0.5), p99Us: quantile(durations, 0.99) };
}

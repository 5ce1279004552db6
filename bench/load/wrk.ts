/** wrk as load generator for HTTP/1.1: one thread, a closed loop on a fixed number of connections. */
import { runToEnd } from '../processes.ts';
import type { LoadResult } from './load.ts';

export interface WrkSetup {
  readonly url: string;
  readonly seconds: number;
  readonly connections: number;
  readonly headers?: readonly string[];
  /** See wrk.lua. */
  readonly body?: number;
  readonly paths?: number;
  readonly hosts?: number;
  /** Answers with fewer bytes on average count as errors, so that a truncated body does not pass as fast. */
  readonly minBytes: number;
}

/** Rejects when wrk itself fails; what goes wrong with requests is counted in the result. */
export async function runWrk(setup: WrkSetup): Promise<LoadResult> {
  const script = new URL('./wrk.lua', import.meta.url).pathname;
  const headers = (setup.headers ?? []).flatMap((header) => ['-H', header]);
  const numbers = { body: setup.body, paths: setup.paths, hosts: setup.hosts };
  const options = Object.entries(numbers).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const output = await runToEnd([
    ...['wrk', '-t', '1', '-c', String(setup.connections), '-d', `${setup.seconds}s`, '--timeout', '10s'],
    ...['-s', script, ...headers, setup.url, '--', ...options],
  ]);
  const { bytes, ...result } = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as LoadResult & {
    bytes: number;
  };
  const truncated = bytes < result.completed * setup.minBytes ? 1 : 0;
  return { ...result, errors: result.errors + truncated };
}

/** Tidegate alone, over a folder of manifests that the scenario wrote. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tidegate, tidegateCommand } from '../peers/tidegate.ts';
import { freePort, startProcess, waitForAnswer } from '../processes.ts';
import type { Context } from './scenario.ts';

export interface RunningTidegate {
  readonly origin: string;
  readonly pid: number;
  /** Milliseconds from the start of the process until `/readyz` said 200. */
  readonly readyMs: number;
  /** Ends it and gives what its log says of each table that went live. */
  stop(): Promise<TableLive[]>;
}

/** The fields of the log's `table-live` lines; all in milliseconds. */
export interface TableLive {
  /** From the settled change until all workers had applied it: translation and distribution. */
  readonly total_ms: number;
  readonly distribute_ms: number;
  /** The longest any worker was busy with a slice of it or with applying it. */
  readonly worst_pause_ms: number;
}

export interface TidegateSetup {
  readonly name: string;
  readonly manifests: string;
  readonly workers: number;
  readonly cores: string;
}

/** Starts it and waits until the first table is live. */
export async function startTidegate(context: Context, setup: TidegateSetup): Promise<RunningTidegate> {
  const { manifests, workers, cores, name } = setup;
  const [port, admin] = [await freePort(), await freePort()];
  const command = tidegateCommand({ manifests, port, admin, workers, accessLog: false, tls: false });
  const start = performance.now();
  const output = join(context.directory, `${name}.out`);
  const process = await startProcess({ ...command, name, cores, output });
  try {
    await waitForAnswer(`http://127.0.0.1:${admin}/readyz`, process);
  } catch (error) {
    await process.stop();
    throw error;
  }
  const readyMs = performance.now() - start;
  return {
    origin: `http://127.0.0.1:${port}`,
    pid: process.pid,
    readyMs,
    stop: async () => {
      await process.stop();
      return tablesLive(await readFile(output, 'utf8'));
    },
  };
}

function tablesLive(log: string): TableLive[] {
  const lines = log.split('\n').filter((line) => line.includes('"event":"table-live"'));
  return lines.map((line) => JSON.parse(line) as TableLive);
}

/** Whether this run is to measure Tidegate and can. */
export function measuresTidegate(context: Context): boolean {
  return context.peers.includes(tidegate);
}

/** Tidegate alone, over a folder of manifests that the scenario wrote. */
import { join } from 'node:path';
import { tidegate, tidegateCommand } from '../peers/tidegate.ts';
import { freePort, type RunningProcess, startProcess, waitForAnswer } from '../processes.ts';
import type { Context } from './scenario.ts';

export interface RunningTidegate {
  readonly origin: string;
  readonly admin: string;
  readonly process: RunningProcess;
  /** Milliseconds from the start of the process until `/readyz` said 200. */
  readonly readyMs: number;
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
  const command = tidegateCommand({ manifests, port, admin, workers, accessLog: false });
  const start = performance.now();
  const process = await startProcess({
    ...command,
    name,
    cores,
    output: join(context.directory, `${name}.out`),
  });
  try {
    await waitForAnswer(`http://127.0.0.1:${admin}/readyz`, process);
  } catch (error) {
    await process.stop();
    throw error;
  }
  const readyMs = performance.now() - start;
  return { origin: `http://127.0.0.1:${port}`, admin: `http://127.0.0.1:${admin}`, process, readyMs };
}

/** Whether this run is to measure Tidegate and can. */
export function measuresTidegate(context: Context): boolean {
  return context.peers.includes(tidegate);
}

/** The frame of commands that go on until somebody ends them. */

import { type LogOutput, openLog } from '../../observe/log.ts';
import type { CommonSettings } from '../../settings/settings.ts';
import { stopSignal } from './stop-signal.ts';

/**
 * Runs `start`, which gives what ends it all, until SIGTERM or SIGINT; a second signal ends the program at once. `leaving`
 * says in the log what is done then. Sets the exit code: 1 when the start fails by itself, with its message as reason.
 */
export async function untilStopped(
  { logLevel, warnings }: Pick<CommonSettings, 'logLevel' | 'warnings'>,
  leaving: string,
  start: (output: LogOutput, stop: AbortSignal) => Promise<() => Promise<void>>,
): Promise<void> {
  const output = openLog({ level: logLevel });
  for (const warning of warnings) output.log.warn('setting-ignored', warning);
  const stop = stopSignal();
  let end: () => Promise<void>;
  try {
    end = await start(output, stop);
  } catch (error) {
    const { message } = error as Error;
    if (stop.aborted) output.log.info('stopped', message);
    else output.log.error('start-failed', message);
    await output.close();
    process.exit(stop.aborted ? 0 : 1);
  }
  const onStop = async (): Promise<void> => {
    output.log.info('stopping', `${stop.reason}: ${leaving}`);
    await end();
    await output.close();
    process.exit(0);
  };
  if (stop.aborted) return onStop();
  stop.addEventListener('abort', () => void onStop());
}

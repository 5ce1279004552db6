/** Starts the echo server as a process of its own. */
import { join } from 'node:path';
import { freePort, LOAD_CORE, type RunningProcess, startProcess, waitForAnswer } from '../processes.ts';

export async function startEchoBackend(
  directory: string,
): Promise<{ port: number; process: RunningProcess }> {
  const port = await freePort();
  const child = await startProcess({
    name: 'backend (WebSocket echo)',
    argv: [process.execPath, new URL('./echo-server.ts', import.meta.url).pathname, String(port)],
    cores: LOAD_CORE,
    output: join(directory, 'echo'),
  });
  await waitForAnswer(`http://127.0.0.1:${port}`, child);
  return { port, process: child };
}

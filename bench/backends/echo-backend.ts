import { join } from 'node:path';
import { freePort, LOAD_CORE, startProcess, waitForAnswer } from '../processes.ts';

/** Starts the echo server as a process of its own; gives its port. */
export async function startEchoBackend(directory: string): Promise<number> {
  const port = await freePort();
  const child = await startProcess({
    name: 'backend (WebSocket echo)',
    argv: [process.execPath, new URL('./echo-server.ts', import.meta.url).pathname, String(port)],
    cores: LOAD_CORE,
    output: join(directory, 'echo'),
  });
  await waitForAnswer(`http://127.0.0.1:${port}`, child);
  return port;
}

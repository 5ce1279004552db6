/** Starts `tidegate webhook`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Scope, within } from './waiting.ts';

const PROGRAM = join(import.meta.dirname, '../../bin/tidegate');

/** Resolves with the port once it answers questions; stopped at the end of the scope. */
export async function startWebhook(
  scope: Scope,
  args: readonly string[],
  namespace: string,
  listen = '127.0.0.1:0',
): Promise<number> {
  const { PATH = '' } = process.env;
  const child = spawn(PROGRAM, ['webhook', '--webhook', listen, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH, POD_NAMESPACE: namespace },
  });
  scope.after(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const [code] = await within(exited, 'the webhook to end');
    if (code !== 0) throw new Error(`the webhook ended with ${code}`);
  });
  const lines: string[] = [];
  const ready = new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const { event, addresses } = JSON.parse(line) as {
        readonly event: string;
        readonly addresses?: { readonly webhook: readonly string[] };
      };
      if (event === 'ready') resolve(Number(addresses?.webhook[0]?.split(':').at(-1)));
    });
    child.once('exit', () => reject(new Error(`the webhook ended by itself\n${lines.join('\n')}`)));
  });
  return within(ready, () => `the ready line of the webhook, after\n${lines.join('\n')}`);
}

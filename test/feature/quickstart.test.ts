/** What the README promises for `npm start`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const START = fileURLToPath(new URL('../../examples/quickstart/start.ts', import.meta.url));

async function get(port: number, host: string, path: string): Promise<string> {
  const sent = request({ port, host: '127.0.0.1', path, headers: { host }, agent: false });
  sent.end();
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return text;
}

test('npm start serves the example folder, tells what to try, and ends on Ctrl-C', async () => {
  const child = spawn(process.execPath, [START], {
    env: { ...process.env, TIDEGATE_HTTP: '127.0.0.1:0', TIDEGATE_ADMIN: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own, as a shell gives to what it starts: Ctrl-C reaches every process of it.
    detached: true,
  });
  const exit = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  let port = 0;
  let printed = '';
  for await (const line of lines) {
    printed += `${line}\n`;
    const found = /curl http:\/\/shop\.localhost:(\d+)\/ /.exec(line);
    if (found) port = Number(found[1]);
    if (line.includes('Ctrl-C stops everything')) break;
  }
  assert.ok(port > 0, `the port is told in: ${printed}`);

  const answers = await Promise.all([1, 2, 3, 4].map(() => get(port, 'shop.localhost', '/')));
  const endpoints = new Set(answers.map((text) => text.split('\n', 1)[0]));
  assert.deepEqual([...endpoints].sort(), [
    'Hello from shop (first endpoint).',
    'Hello from shop (second endpoint).',
  ]);
  assert.match(await get(port, 'shop.localhost', '/blog/today'), /^Hello from blog\./);
  assert.match(await get(port, 'elsewhere.example', '/'), /^Hello from blog\./);

  process.kill(-child.pid!, 'SIGINT');
  assert.deepEqual(await exit, [0, null], 'in order: not cut by a second signal');
});

/** What the README promises for `npm start`. */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../kit/waiting.ts';

const FOLDER = fileURLToPath(new URL('../../examples/quickstart', import.meta.url));
const START = join(FOLDER, 'start.ts');

async function get(port: number, host: string, path: string): Promise<string> {
  const sent = request({ port, host: '127.0.0.1', path, headers: { host }, agent: false });
  sent.end();
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return text;
}

/** A copy of the example folder whose backends listen on free ports of an address of their own. */
async function copyOfFolder(scope: Scope): Promise<{ path: string; taken: string; free(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-quickstart-'));
  scope.after(() => rm(path, { recursive: true }));
  await cp(FOLDER, path, { recursive: true });
  const address = `127.${1 + randomInt(254)}.${randomInt(256)}.${1 + randomInt(254)}`;
  const holders = await Promise.all([1, 2, 3].map(() => hold(address)));
  const ports = holders.map((server) => (server.address() as AddressInfo).port);
  const text = await readFile(join(path, 'backends.yaml'), 'utf8');
  const moved = text
    .replaceAll('127.0.0.1', address)
    .replaceAll(/port: (1810[123])/g, (_, port: string) => `port: ${ports[Number(port) - 18_101]}`);
  await writeFile(join(path, 'backends.yaml'), moved);
  const [first, ...others] = holders;
  await Promise.all(others.map(closed));
  scope.after(async () => {
    if (first?.listening) await closed(first);
  });
  return { path, taken: `${address}:${ports[0]}`, free: () => closed(first!) };
}

async function hold(address: string): Promise<Server> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  return server;
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

function start(folder: string): ChildProcessByStdio<null, Readable, null> {
  return spawn(process.execPath, [START, folder], {
    env: { ...process.env, TIDEGATE_HTTP: '127.0.0.1:0', TIDEGATE_ADMIN: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own, as a shell gives to what it starts: Ctrl-C reaches every process of it.
    detached: true,
  });
}

test('npm start serves the example folder, tells what to try, and ends on Ctrl-C', async (t) => {
  const folder = await copyOfFolder(t);
  await folder.free();
  const child = start(folder.path);
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
  assert.deepEqual([...endpoints].sort(), ['Hello from shop-1.', 'Hello from shop-2.']);
  assert.match(await get(port, 'shop.localhost', '/blog/today'), /^Hello from blog-1\./);
  assert.match(await get(port, 'elsewhere.example', '/'), /^Hello from blog-1\./);

  process.kill(-child.pid!, 'SIGINT');
  assert.deepEqual(await exit, [0, null], 'in order: not cut by a second signal');
});

test('npm start says which backend finds its port taken, and what to do', async (t) => {
  const folder = await copyOfFolder(t);
  const child = start(folder.path);
  const exit = once(child, 'exit');
  const said = await text(child.stdout);
  assert.ok(said.includes(`backend shop-1 cannot listen on ${folder.taken}`), said);
  assert.ok(said.includes(`free port for it in ${relative('.', join(folder.path, 'backends.yaml'))}`), said);
  assert.deepEqual(await exit, [1, null]);
});

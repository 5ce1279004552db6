import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { systemCalls } from './system.ts';

const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData).then(({ openSplicePipe }) => parentPort.postMessage(openSplicePipe(65536) !== null));
  parentPort.on('message', () => {});`;

function openPipes(): string[] {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('pipe:');
    } catch {
      // The one that listed the folder.
      return false;
    }
  });
}

/** A thread that opens a pipe. */
async function liveAndDie(): Promise<void> {
  const thread = new Worker(THREAD, { eval: true, workerData: join(import.meta.dirname, 'splice.ts') });
  const [opened] = (await once(thread, 'message')) as [boolean];
  await thread.terminate();
  assert.ok(opened);
}

test('a thread that dies leaves no pipe behind', {
  skip: systemCalls() === null ? 'no splice(2) here' : false,
}, async () => {
  // Node itself opens some with the first.
  await liveAndDie();
  const before = openPipes();
  await liveAndDie();
  assert.deepEqual(openPipes(), before);
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { cpuOfTree, descendants, parseStat, residentBytesOfTree } from './cpu.ts';

const TAIL = '0 -1 4194304 100 0 0 0 250 75 9 9 20 0 11 0 12345 1000 200';

test('the ticks of a process are read even when its name holds blanks and parentheses', () => {
  assert.deepEqual(parseStat(`4711 (a (b) c) S 42 4711 4711 ${TAIL}`), {
    pid: 4711,
    parent: 42,
    userTicks: 250,
    systemTicks: 75,
  });
});

test('descendants are found whatever the order in which processes are listed', () => {
  const stat = (pid: number, parent: number) => ({ pid, parent, userTicks: 0, systemTicks: 0 });
  const family = descendants([stat(13, 12), stat(12, 11), stat(20, 1), stat(11, 10), stat(10, 1)], 10);
  assert.deepEqual(
    family.map(({ pid }) => pid),
    [13, 12, 11, 10],
  );
});

test('CPU time and memory of a tree include those of a child', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async () => {
  const burn =
    'const end = performance.now() + 100; while (performance.now() < end); console.log("done"); process.stdin.resume()';
  const child = spawn(process.execPath, ['-e', burn], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ownMemory = process.memoryUsage.rss();
  const before = cpuOfTree(process.pid);
  await once(child.stdout, 'data');
  const after = cpuOfTree(process.pid);
  const memory = residentBytesOfTree(process.pid);
  child.stdin.end();
  await once(child, 'exit');
  assert.ok(after.userUs + after.systemUs - before.userUs - before.systemUs >= 50_000);
  assert.ok(memory > ownMemory);
});

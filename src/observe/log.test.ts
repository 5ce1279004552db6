import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { type LogLevel, type LogOutput, openLog } from './log.ts';

/** What ends up in the output: `use` writes to a log over a file. */
async function written(use: (output: LogOutput) => void, level: LogLevel = 'info'): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-log-'));
  const path = join(folder, 'out');
  const fd = openSync(path, 'w');
  try {
    const output = openLog({ level, fd });
    use(output);
    await output.close();
    return readFileSync(path, 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a line is JSON with time, level, event, message and fields', async () => {
  const lines = await written(({ log }) => log.warn('reload', 'A table went live.', { generation: 3 }));
  const line = JSON.parse(lines) as { time: string };
  assert.match(line.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(
    { ...line, time: '' },
    { level: 'warn', time: '', event: 'reload', generation: 3, msg: 'A table went live.' },
  );
});

test('lines below the level are left out', async () => {
  const lines = await written(({ log }) => {
    log.debug('a', 'A.');
    log.info('b', 'B.');
    log.error('c', 'C.');
  }, 'error');
  assert.deepEqual(
    lines
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string }).event),
    ['c'],
  );
});

test('fields that may carry secrets are redacted', async () => {
  const lines = await written(({ log }) =>
    log.info('x', 'X.', { password: 's3cret', headers: { authorization: 's3cret', cookie: 's3cret' } }),
  );
  assert.doesNotMatch(lines, /s3cret/);
  assert.match(lines, /\[redacted\]/);
});

test('lines of the access log and of the program keep their order', async () => {
  const lines = await written(({ log, writeAccessLog }) => {
    log.info('one', 'One.');
    writeAccessLog('{"two":2}\n{"three":3}\n');
    log.info('four', 'Four.');
  });
  const found = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event?: string });
  assert.deepEqual(
    found.map((line) => line.event ?? Object.keys(line)[0]),
    ['one', 'two', 'three', 'four'],
  );
});

test('beyond the bound, lines are dropped whole and counted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-log-'));
  const path = join(folder, 'out');
  try {
    const output = openLog({ level: 'info', fd: openSync(path, 'w'), maxUnwrittenBytes: 100 });
    output.writeAccessLog(`${'a'.repeat(79)}\n`);
    output.writeAccessLog('b1\n'.repeat(10));
    output.writeAccessLog('c\n');
    await output.close();
    assert.equal(output.droppedLines(), 10);
    assert.equal(readFileSync(path, 'utf8'), `${'a'.repeat(79)}\nc\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('writing after the close is ignored', async () => {
  const lines = await written((output) => {
    output.log.info('before', 'Before.');
    void output.close();
    output.log.info('after', 'After.');
    output.writeAccessLog('after\n');
  });
  assert.match(lines, /before/);
  assert.doesNotMatch(lines, /after/);
});

test('a reader that went away does not end the program, nor keep it from ending', async () => {
  const program = `
    import { openLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
    process.stdin.once('data', () => {
      const output = openLog({ level: 'info' });
      output.writeAccessLog('lost\\n');
      setImmediate(() => process.exit(7));
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdout.destroy();
  await once(child.stdout, 'close');
  child.stdin.end('go');
  const [code] = await once(child, 'exit');
  assert.equal(code, 7);
});

test('lines that were not written yet are written at exit', async () => {
  const program = `
    import { openLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
    const output = openLog({ level: 'info' });
    for (let i = 0; i < 3; i++) output.log.info('last', 'words', { i });
    process.exit(1);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.equal((await text(child.stdout)).trim().split('\n').length, 3);
});

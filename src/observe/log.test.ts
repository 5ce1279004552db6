import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as passed } from 'node:timers/promises';
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

test('the ready line is written at every level but silent, and no other', async () => {
  const eventsAt = async (level: LogLevel): Promise<readonly string[]> => {
    const lines = await written(({ log, ready }) => {
      log.info('listening', 'Listening.');
      ready('serving', { addresses: { http: ['127.0.0.1:80'] } });
    }, level);
    return lines
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { event: string }).event);
  };
  assert.deepEqual(await eventsAt('info'), ['listening', 'ready']);
  for (const level of ['warn', 'error', 'fatal'] as const) assert.deepEqual(await eventsAt(level), ['ready']);
  assert.deepEqual(await eventsAt('silent'), []);
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
    writeAccessLog(Buffer.from('{"two":2}\n{"three":3}\n'));
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
    output.writeAccessLog(Buffer.from(`${'a'.repeat(79)}\n`));
    output.writeAccessLog(Buffer.from('b1\n'.repeat(10)));
    output.writeAccessLog(Buffer.from('c\n'));
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
    output.writeAccessLog(Buffer.from('after\n'));
  });
  assert.match(lines, /before/);
  assert.doesNotMatch(lines, /after/);
});

test('a reader that went away does not end the program, nor keep it from ending', async () => {
  const program = `
    import { openLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
    process.stdin.once('data', () => {
      const output = openLog({ level: 'info' });
      output.writeAccessLog(Buffer.from('lost\\n'));
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

test('lines that nobody takes are counted, and who comes back gets whole lines again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-log-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const openReader = () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const gone = openReader();
    const output = openLog({ level: 'info', fd: openSync(path, 'w') });
    closeSync(gone);
    output.writeAccessLog(Buffer.from('lost\nlost\n'));
    while (output.droppedLines() < 2) await passed(5);
    output.writeAccessLog(Buffer.from('lost too\n'));
    assert.equal(output.droppedLines(), 3);

    const reader = openReader();
    const deadline = performance.now() + 30_000;
    let sent = 0;
    for (let before = -1; before !== output.droppedLines(); ) {
      assert.ok(performance.now() < deadline, 'it is never tried again');
      await passed(100);
      before = output.droppedLines();
      output.writeAccessLog(Buffer.from('found\n'));
      sent++;
    }
    await output.close();
    const bytes = Buffer.alloc(4096);
    assert.equal(bytes.toString('latin1', 0, readSync(reader, bytes)), 'found\n');
    assert.equal(output.droppedLines(), 3 + sent - 1);
    closeSync(reader);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a full disk costs the lines that found no room, and their beginning does not run into the next', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-log-'));
  const path = join(folder, 'out');
  // What the shell lets a file have stands for the size of a disk; going beyond it is an error of writing like ENOSPC.
  const program = `
    import { openLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
    import { ftruncateSync, writeSync } from 'node:fs';
    process.on('SIGXFSZ', () => {});
    const output = openLog({ level: 'info' });
    output.writeAccessLog(Buffer.from('first\\n' + 'x'.repeat(2000) + '\\n'));
    const waiting = setInterval(() => {
      if (output.droppedLines() === 0) return;
      clearInterval(waiting);
      ftruncateSync(1, 10);
      const trying = setInterval(() => {
        const before = output.droppedLines();
        output.writeAccessLog(Buffer.from('later\\n'));
        if (output.droppedLines() > before) return;
        clearInterval(trying);
        output.close();
      }, 100);
    }, 5);`;
  try {
    const child = spawn(
      'sh',
      [
        '-c',
        'ulimit -f 1; exec "$@" >> "$OUT"',
        'sh',
        process.execPath,
        '--input-type=module',
        '--eval',
        program,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, OUT: path, NODE_COMPILE_CACHE: '' } },
    );
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
    assert.equal(readFileSync(path, 'utf8'), 'first\nxxxx\nlater\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
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

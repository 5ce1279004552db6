/** What the commands that go on say while they start, up to the line that promises they are ready. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { issue } from '../kit/certificates.ts';
import { ingressClass, makeManifestFolder } from '../kit/manifests.ts';
import type { LogLine } from '../kit/tidegate.ts';
import { type Scope, within } from '../kit/waiting.ts';

const PROGRAM = join(import.meta.dirname, '../../bin/tidegate');

/** Every line until the program is ready; it is stopped then. */
async function linesUntilReady(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<readonly LogLine[]> {
  const { PATH = '' } = process.env;
  const child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH, ...env } });
  const exited = once(child, 'exit');
  const lines: LogLine[] = [];
  const ready = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      const parsed = JSON.parse(line) as LogLine;
      lines.push(parsed);
      if (parsed.event === 'ready') return;
    }
    throw new Error('the program ended before it was ready');
  })();
  try {
    await within(ready, () => `the ready line, after ${JSON.stringify(lines)}`);
  } finally {
    child.kill('SIGTERM');
    await within(exited, 'the end of the program');
  }
  return lines;
}

/** The arguments of each command that goes on, over a folder of manifests. */
async function commands(scope: Scope): Promise<ReadonlyMap<string, readonly string[]>> {
  const folder = await makeManifestFolder(scope);
  await folder.write('all.yaml', [ingressClass]);
  const files = await makeManifestFolder(scope);
  const [certificate, key] = [join(files.path, 'tls.crt'), join(files.path, 'tls.key')];
  const issued = issue({ names: ['tidegate-webhook.tidegate.svc'] });
  await Promise.all([writeFile(certificate, issued.certificate), writeFile(key, issued.key)]);
  const source = ['--source', 'manifests', '--manifests', folder.path];
  const any = '127.0.0.1:0';
  return new Map([
    ['run', [...source, '--http', any, '--https', 'off', '--admin', any, '--workers', '1']],
    ['webhook', [...source, '--webhook', any, '--webhook-certificate', certificate, '--webhook-key', key]],
    ['speaker', [...source, '--admin', any, '--bgp-listen', 'off']],
  ]);
}

describe('the ready line with the bound addresses is the only one at --log-level error:', () => {
  for (const [command, listener] of [
    ['run', 'http'],
    ['webhook', 'webhook'],
    ['speaker', 'admin'],
  ] as const) {
    test(command, async (t) => {
      const args = (await commands(t)).get(command) ?? [];
      const lines = await linesUntilReady([command, ...args, '--log-level', 'error']);
      assert.deepEqual(
        lines.map(({ event }) => event),
        ['ready'],
      );
      const { addresses } = lines[0] as { addresses?: Readonly<Record<string, readonly string[]>> };
      assert.match(addresses?.[listener]?.[0] ?? '', /^127\.0\.0\.1:\d+$/);
    });
  }
});

test('a mistyped variable is warned of once, before anything else', async (t) => {
  for (const [command, args] of await commands(t)) {
    const lines = await linesUntilReady([command, ...args], { TIDEGATE_HTPP: '127.0.0.1:1' });
    assert.deepEqual(
      lines.map(({ event }) => event).filter((event) => event === 'setting-ignored'),
      ['setting-ignored'],
    );
    const { level, event, msg } = lines[0] ?? {};
    assert.deepEqual(
      { level, event, msg },
      {
        level: 'warn',
        event: 'setting-ignored',
        msg: 'TIDEGATE_HTPP is not a setting and is ignored: did you mean TIDEGATE_HTTP?',
      },
    );
  }
});

/** h2spec, the conformance suite of others: every case in strict mode, over TLS and in cleartext. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { buildH2spec } from '../h2spec/build.ts';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';
import { routeAll } from '../kit/manifests.ts';
import { answer } from '../kit/raw-backend.ts';

const built = buildH2spec();
const skip = 'missing' in built ? built.missing : false;
const program = 'program' in built ? built.program : '';

/** A port that speaks both must take what is no preface for HTTP/1, and answers in HTTP/1. */
const OTHER_PROTOCOL = 'Sends invalid connection preface';

interface Outcome {
  readonly cases: number;
  readonly failed: readonly string[];
}

async function run(t: TestContext, flags: readonly string[]): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-h2spec-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const report = join(folder, 'report.xml');
  const output = await new Promise<string>((resolve) => {
    execFile(
      program,
      ['-h', '127.0.0.1', '-S', '-o', '5', '-j', report, ...flags],
      { timeout: 120_000 },
      (_error, stdout, stderr) => resolve(stdout + stderr),
    );
  });
  const xml = await readFile(report, 'utf8').catch(() => assert.fail(`h2spec made no report: ${output}`));
  const cases = xml.split('<testcase ').slice(1);
  const failed = cases.filter((text) => /<(failure|error)/.test(text));
  return { cases: cases.length, failed: failed.map((text) => /classname="([^"]*)"/.exec(text)?.[1] ?? text) };
}

/** Streams must stay open for some cases, so the response is larger than the windows they set. */
const LARGE = answer(`HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n${'x'.repeat(70_000)}`);

describe('h2spec', { skip }, () => {
  test('over TLS by ALPN: every case passes', async (t) => {
    const { proxy, backend } = await startHttp1Fixture(t, {
      args: ['--https', '127.0.0.1:0'],
      manifests: (port) => routeAll('', port),
    });
    backend.behaviour = LARGE;
    const ready = proxy.log.find(({ event }) => event === 'ready') as unknown as {
      addresses: { https: readonly string[] };
    };
    const port = ready.addresses.https[0]!.split(':').at(-1)!;
    const { cases, failed } = await run(t, ['-t', '-k', '-p', port]);
    assert.deepEqual(failed, []);
    assert.ok(cases >= 145, `${cases} cases ran`);
  });

  test('in cleartext with prior knowledge: every case but the one that is HTTP/1 there', async (t) => {
    const { proxy, backend } = await startHttp1Fixture(t, {
      args: ['--http2-cleartext', 'on'],
      manifests: (port) => routeAll('', port),
    });
    backend.behaviour = LARGE;
    const { cases, failed } = await run(t, ['-p', String(proxy.http)]);
    assert.deepEqual(failed, [OTHER_PROTOCOL]);
    assert.ok(cases >= 145, `${cases} cases ran`);
  });
});

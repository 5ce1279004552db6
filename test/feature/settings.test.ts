/** The command line as people meet it; what settings mean is tested beside src/settings. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { annotationsPage } from '../../docs/reference/annotations-page.ts';
import { metricsPage } from '../../docs/reference/metrics-page.ts';
import { settingsPage } from '../../docs/reference/settings-page.ts';
import { runTidegate } from '../kit/run-tidegate.ts';

const PACKAGE = new URL('../../package.json', import.meta.url);

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
  assert.deepEqual(await runTidegate(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('--help names the commands and how to set things otherwise', async () => {
  const { code, stdout } = await runTidegate(['--help']);
  for (const word of ['run', 'check', 'explain', 'TIDEGATE_ACCESS_LOG'])
    assert.ok(stdout.includes(word), word);
  assert.equal(code, 0);
});

test('run --help groups the flags and tells the defaults', async () => {
  const { code, stdout } = await runTidegate(['run', '--help']);
  for (const group of ['Listeners:', 'Translation:', 'Limits:', 'Timeouts:'])
    assert.ok(stdout.includes(`\n${group}\n`), group);
  assert.match(stdout, /--http <ADDR:PORT> .*\n?.*127\.0\.0\.1:8080/);
  assert.match(stdout, /--timeout-request-head <DURATION>/);
  assert.equal(code, 0);
});

describe('called wrongly, the program ends with exit code 2, says why on standard error and nothing else:', () => {
  const cases: readonly [
    what: string,
    args: readonly string[],
    env: Record<string, string>,
    message: RegExp,
  ][] = [
    ['without a command', [], {}, /^Usage: tidegate/],
    ['an unknown command', ['serve'], {}, /unknown command 'serve'/],
    [
      'an unknown flag',
      ['run', '--manifest', '.'],
      {},
      /unknown option '--manifest'\n\(Did you mean --manifests\?\)/,
    ],
    ['run without a folder', ['run'], {}, /^tidegate: --manifests: no folder given/],
    ['an argument too many', ['run', 'here', '--manifests', '.'], {}, /too many arguments/],
    [
      'several wrong values at once',
      ['run', '--manifests', '.', '--workers', 'many'],
      { TIDEGATE_HTTP: 'here' },
      /^tidegate: TIDEGATE_HTTP: "here" is not valid: .*\ntidegate: --workers: "many" is not valid: .*\n$/,
    ],
  ];
  for (const [what, args, env, message] of cases) {
    test(what, async () => {
      const { code, stdout, stderr } = await runTidegate(args, env);
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(code, 2);
    });
  }
});

test('a command that ends by itself tells of a mistyped variable on standard error and goes on', async () => {
  const folder = fileURLToPath(new URL('../../examples/quickstart', import.meta.url));
  const quiet = await runTidegate(['check', folder]);
  const told = await runTidegate(['check', folder], { TIDEGATE_INGRES_CLASS: 'x' });
  const stderr =
    'tidegate: TIDEGATE_INGRES_CLASS is not a setting and is ignored: did you mean TIDEGATE_INGRESS_CLASS?\n';
  assert.deepEqual(told, { ...quiet, stderr });
});

test('--no- takes back what the environment says', async () => {
  const args = ['run', '--source', 'kubernetes', '--no-send-forwarded'];
  const { stderr } = await runTidegate(args, { TIDEGATE_SEND_FORWARDED: 'perhaps' });
  assert.doesNotMatch(stderr, /FORWARDED/);
});

for (const [page, write] of [
  ['settings.md', settingsPage],
  ['metrics.md', metricsPage],
  ['annotations.md', annotationsPage],
] as const) {
  test(`docs/reference/${page} is what docs/reference/generate.ts writes`, () => {
    assert.equal(readFileSync(new URL(`../../docs/reference/${page}`, import.meta.url), 'utf8'), write());
  });
}

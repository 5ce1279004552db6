/** The tree of the container image, made by the Dockerfile's own steps, and the program started from it as in a Pod. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { before, describe, type TestContext, test } from 'node:test';
import { suiteScope } from '../cluster/kit/suite-scope.ts';
import { makeManifestFolder } from '../kit/manifests.ts';
import { within } from '../kit/waiting.ts';

const ROOT = join(import.meta.dirname, '../..');
const DOCKERFILE = join(ROOT, 'deploy/image/Dockerfile');
const USER = 65532;
const STEP_MS = 180_000;

interface Step {
  readonly what: string;
  readonly rest: string;
}

/** The steps of a stage of the Dockerfile; continued lines are one. */
function stepsOf(stage: RegExp): Step[] {
  const lines = readFileSync(DOCKERFILE, 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const start = lines.findIndex((line) => stage.test(line));
  assert.notEqual(start, -1, `no stage ${stage}`);
  const end = lines.findIndex((line, index) => index > start && line.startsWith('FROM '));
  return lines.slice(start + 1, end === -1 ? undefined : end).map((line) => {
    const [, what = '', rest = ''] = /^(\w+) +(.*)$/.exec(line) ?? assert.fail(line);
    return { what, rest };
  });
}

/** Does COPY and RUN of the stage `tree` in `folder`, which stands for its WORKDIR. */
function makeTree(folder: string): void {
  for (const { what, rest } of stepsOf(/^FROM .* AS tree$/)) {
    if (what === 'COPY') copy(rest.split(/ +/), folder);
    else if (what === 'RUN') succeed(spawnSync('sh', ['-c', rest], { cwd: folder, ...RUN_OPTIONS }), rest);
    else assert.equal(what, 'WORKDIR');
  }
}

/** What was fetched for this very lock file before is not fetched again. */
const RUN_OPTIONS = {
  encoding: 'utf8',
  timeout: STEP_MS,
  env: { ...process.env, npm_config_prefer_offline: 'true' },
} as const;

function copy(operands: readonly string[], folder: string): void {
  const target = join(folder, operands.at(-1)!);
  const sources = operands.slice(0, -1);
  for (const source of sources) {
    const into = sources.length > 1 ? join(target, source) : target;
    cpSync(join(ROOT, source), into, { recursive: true });
  }
}

function succeed({ status, stderr, error }: SpawnSyncReturns<string>, what: string): void {
  assert.equal(status, 0, `${what}: ${error?.message ?? stderr}`);
}

/** Runs a command as the image's user in a world that it can only read, as a Pod does. */
function asInPod(command: readonly string[]): readonly string[] {
  const readOnly = 'mount --make-rprivate / && mount -o remount,bind,ro / && exec "$@"';
  const unprivileged = [
    ...['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--no-new-privs'],
    ...['--bounding-set=-all', '--inh-caps=-all', '--pdeathsig=KILL'],
  ];
  return ['unshare', '--mount', 'sh', '-c', readOnly, 'sh', ...unprivileged, ...command];
}

const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : 'another user and a read-only world of its own need root';

describe('the image', { skip }, () => {
  const scope = suiteScope();
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-image-'));
    scope.after(() => rmSync(folder, { recursive: true, force: true }));
    chmodSync(folder, 0o755);
    makeTree(folder);
  });

  test('has Node.js and what the program imports, and no tools, tests, headers or compilers', (t) => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
    const megabytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0) / 1e6;
    t.diagnostic(`${files.length} files, ${megabytes.toFixed(0)} MB`);
    assert.ok(files.includes('src/main.ts'));
    const foreign =
      /\.(test\.ts|d\.ts|map|h)$|^(test|bench|docs)\/|node_modules\/(typescript|@biomejs|@types)\//;
    assert.deepEqual(
      files.filter((file) => foreign.test(file)),
      [],
    );
  });

  test('serves as a user without rights, from a file system that it cannot write to', async (t) => {
    const lines = await runInPod(t, folder, ['run']);
    const ready = await lines('ready');
    const http = (ready['addresses'] as { http: readonly string[] }).http[0]!;
    const response = await fetch(`http://${http}/`);
    assert.equal(response.status, 404);
  });

  test('what a kubeconfig may need of the Kubernetes client is there', async (t) => {
    const kubeconfig = `${folder}.kubeconfig`;
    t.after(() => rmSync(kubeconfig, { force: true }));
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        'current-context': 'test',
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
        clusters: [{ name: 'test', cluster: { server: 'https://127.0.0.1:1' } }],
        users: [
          {
            name: 'test',
            user: {
              'auth-provider': {
                name: 'gcp',
                config: { 'access-token': 'x', expiry: '2999-01-01T00:00:00Z' },
              },
            },
          },
        ],
      }),
    );
    const lines = await runInPod(t, folder, ['run', '--source', 'kubernetes', '--kubeconfig', kubeconfig]);
    const asked = await lines('election-trouble');
    assert.match(String(asked['msg']), /ECONNREFUSED/);
  });

  test('ends with the tree, a user and an entrypoint that it has', () => {
    const last = stepsOf(/^FROM debian/);
    const rest = (what: string) => last.find((step) => step.what === what)?.rest;
    assert.equal(rest('USER'), `${USER}:${USER}`);
    assert.equal(rest('COPY'), '--from=tree /app /app');
    assert.deepEqual(JSON.parse(rest('ENTRYPOINT') ?? ''), ['/app/bin/tidegate']);
    assert.ok(statSync(join(folder, 'bin/tidegate')).mode & 0o001);
  });
});

type LogLine = Readonly<Record<string, unknown>>;

/** Starts it with a folder of no manifests unless told another source; gives a way to wait for an event of its log. */
async function runInPod(t: TestContext, folder: string, args: readonly string[]) {
  const manifests = await makeManifestFolder(t);
  chmodSync(dirname(manifests.path), 0o755);
  const program = join(folder, 'bin/tidegate');
  const source = args.includes('--source') ? [] : ['--source', 'manifests', '--manifests', manifests.path];
  const listeners = ['--http', '127.0.0.1:0', '--https', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const [command = '', ...rest] = asInPod([program, ...args, ...source, ...listeners, '--workers', '1']);
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '' },
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const seen: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      seen.push(line);
      for (const look of waiting) look();
    });
  }
  return (event: string): Promise<LogLine> => {
    const { promise, resolve } = Promise.withResolvers<LogLine>();
    const look = () => {
      const line = seen.find((each) => each.includes(`"event":"${event}"`));
      if (line !== undefined) resolve(JSON.parse(line) as LogLine);
    };
    waiting.add(look);
    look();
    return within(promise, () => `${event}, after\n${seen.slice(-20).join('\n')}`);
  };
}

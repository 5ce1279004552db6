/** `tidegate check`: every problem of some manifests, without running. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeManifestFolder } from '../kit/manifests.ts';
import { runTidegate } from '../kit/run-tidegate.ts';
import type { Scope } from '../kit/waiting.ts';

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
`;

/** An Ingress of some Service and class. */
function ingress(service: string, className = 'tidegate'): string {
  return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: ${className}
  rules:
    - host: shop.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ${service}, port: {number: 80}}}}]}
`;
}

/** A folder with these files; `/` in a name makes folders. */
async function folderOf(scope: Scope, files: Record<string, string>): Promise<string> {
  const { path } = await makeManifestFolder(scope);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(path, name, '..'), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return path;
}

test('sound manifests give a summary and exit code 0', async (t) => {
  const folder = await folderOf(t, { 'ingress.yaml': ingress('web'), 'deep/er/service.yml': SERVICE });
  const { code, stdout, stderr } = await runTidegate(['check', folder]);
  assert.equal(stdout, '1 Ingress, 1 Service, 1 EndpointSlice: 0 errors, 0 warnings.\n');
  assert.equal(stderr, '');
  assert.equal(code, 0);
});

test('every problem stands on one line with file, line and object, and an error makes the exit code 1', async (t) => {
  const folder = await folderOf(t, {
    'a-broken.yaml': 'a: [',
    'b-ingress.yaml': `# a comment\n${ingress('nowhere')}`,
    'c-service.yaml': SERVICE,
  });
  const { code, stdout } = await runTidegate(['check', folder]);
  const [first = '', second = '', ...rest] = stdout.trimEnd().split('\n');
  assert.ok(first.startsWith(`${folder}/a-broken.yaml:1 (document 1): error: `), first);
  const where = `${folder}/b-ingress.yaml:3 (document 1): error: Ingress default/web: `;
  assert.ok(second.startsWith(`${where}spec.rules[0].http.paths[0].backend.service.name: `), second);
  assert.match(second, /Service default\/nowhere.*\[ServiceNotFound\]$/);
  assert.deepEqual(rest, ['1 Ingress, 1 Service, 1 EndpointSlice: 2 errors, 0 warnings.']);
  assert.equal(code, 1);
});

test('warnings alone leave the exit code 0', async (t) => {
  const folder = await folderOf(t, { 'all.yaml': `${ingress('web', 'unknown')}---${SERVICE}` });
  const { code, stdout } = await runTidegate(['check', folder]);
  assert.match(
    stdout,
    /: warning: Ingress default\/web: spec\.ingressClassName: .*unknown.*\[UnknownClass\]\n/,
  );
  assert.match(stdout, /: 0 errors, 1 warning\.\n$/);
  assert.equal(code, 0);
});

test('several files and folders are checked as one', async (t) => {
  const folder = await folderOf(t, { 'one/ingress.yaml': ingress('web'), 'two/service.yaml': SERVICE });
  const { code, stdout } = await runTidegate([
    'check',
    join(folder, 'one'),
    join(folder, 'two/service.yaml'),
  ]);
  assert.match(stdout, /^1 Ingress, 1 Service, 1 EndpointSlice: 0 errors/);
  assert.equal(code, 0);
});

test('--output json gives the problems as they are and the counts', async (t) => {
  const folder = await folderOf(t, { 'all.yaml': `${ingress('nowhere')}---${SERVICE}` });
  const { code, stdout } = await runTidegate(['check', '--output', 'json', folder]);
  const { problems, summary } = JSON.parse(stdout);
  assert.equal(problems.length, 1);
  assert.equal(problems[0].reason, 'ServiceNotFound');
  assert.deepEqual(problems[0].object, { kind: 'Ingress', namespace: 'default', name: 'web' });
  assert.deepEqual(problems[0].position, { file: join(folder, 'all.yaml'), document: 1, line: 2 });
  assert.equal(summary.errors, 1);
  assert.equal(summary.warnings, 0);
  assert.equal(summary.objects.Ingress, 1);
  assert.equal(code, 1);
});

test('settings that matter for translation are obeyed', async (t) => {
  const folder = await folderOf(t, { 'all.yaml': `${ingress('web', 'mine')}---${SERVICE}` });
  assert.match((await runTidegate(['check', folder])).stdout, /UnknownClass/);
  assert.doesNotMatch(
    (await runTidegate(['check', folder, '--ingress-class', 'mine'])).stdout,
    /UnknownClass/,
  );
  const env = { TIDEGATE_INGRESS_CLASS: 'mine' };
  assert.doesNotMatch((await runTidegate(['check', folder], env)).stdout, /UnknownClass/);
});

test('names from manifests cannot steer the terminal', async (t) => {
  const folder = await folderOf(t, {
    'all.yaml': `${ingress('web').replace('shop.example.com', '"\\e[2J\\nshop"')}`,
  });
  const { stdout } = await runTidegate(['check', folder]);
  assert.equal(stdout.trimEnd().split('\n').length, 2);
  assert.equal(stdout.includes('\u001b'), false);
});

describe('called wrongly, it ends with exit code 2 and a message:', () => {
  const cases: readonly [what: string, args: readonly string[], message: RegExp][] = [
    ['no path', ['check'], /missing required argument 'path'/],
    [
      'a path that is not there',
      ['check', '/does/not/exist'],
      /^tidegate: \/does\/not\/exist cannot be read: ENOENT/,
    ],
    [
      'an unknown output',
      ['check', '--output', 'xml', '.'],
      /^tidegate: --output: "xml" is not valid: expected text or json/,
    ],
    [
      'an unknown flag',
      ['check', '--outpu', 'json', '.'],
      /unknown option '--outpu'\n\(Did you mean --output\?\)/,
    ],
  ];
  for (const [what, args, message] of cases) {
    test(what, async () => {
      const { code, stdout, stderr } = await runTidegate(args);
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(code, 2);
    });
  }
});

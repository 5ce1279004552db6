/** deploy/chart as Helm sees it: lint, schema, and flags that the program takes. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { findGoProgram } from '../kit/go-build.ts';
import type { KubeObject } from '../kit/manifests.ts';
import { runTidegate } from '../kit/run-tidegate.ts';
import { helm } from './program.ts';
import { CHART, objectsIn, PLAIN_MANIFESTS, plainManifest, render, runHelm } from './render.ts';
import { VALUES } from './values-matrix.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const found = findGoProgram(helm);
const program = 'program' in found ? found.program : '';
const skip = 'missing' in found ? `${found.missing}: node_modules/.bin/node test/helm/build.ts` : false;

interface Pod {
  readonly containers: readonly Container[];
}
interface Container {
  readonly command?: readonly string[];
  readonly args: readonly string[];
  readonly ports?: readonly unknown[];
}

const podOf = (object: KubeObject): Pod | null =>
  (object as { spec?: { template?: { spec?: Pod } } }).spec?.template?.spec ?? null;

function rendered(values: readonly string[]): KubeObject[] {
  const { code, stdout, stderr } = render(program, values);
  assert.equal(code, 0, stderr);
  return objectsIn(stdout);
}

describe('the chart', { skip, concurrency: 2 }, () => {
  test('has nothing that helm lint would say', () => {
    const { code, stdout } = runHelm(program, ['lint', '--strict', '--kube-version', '1.35.0', CHART]);
    assert.equal(code, 0, stdout);
    assert.doesNotMatch(stdout, /WARNING|ERROR|INFO/);
  });

  for (const manifest of PLAIN_MANIFESTS) {
    test(`deploy/${manifest.file} is what the chart gives (else: node test/helm/write-manifests.ts)`, () => {
      assert.equal(readFileSync(join(DEPLOY, manifest.file), 'utf8'), plainManifest(program, manifest));
    });
  }

  for (const [title, values] of Object.entries(VALUES)) {
    test(`${title}: the program takes the flags and settings that it is given`, async (t) => {
      const objects = rendered(values);
      const pods = objects.map(podOf).filter((pod) => pod !== null);
      assert.ok(pods.length > 0);
      for (const { containers } of pods) {
        for (const container of containers) await startsWith(t, container, settingsOf(objects));
      }
    });
  }

  test('Pods that stand beside their predecessors on a node declare no ports, others do', () => {
    const portsOf = (values: readonly string[]) =>
      rendered(values)
        .map(podOf)
        .find((pod) => pod !== null)?.containers[0]?.ports?.length ?? 0;
    assert.equal(portsOf([]), 0);
    assert.equal(portsOf(['surge=false']), 3);
    assert.equal(portsOf(['hostNetwork=false']), 3);
  });

  for (const [values, message] of [
    [['kind="Daemonset"'], /kind/],
    [['replica=3'], /replica/],
    [['ports.http=0'], /http/],
    [['drainSeconds="30s"'], /drainSeconds/],
    [['image.digest="latest"'], /digest/],
    [['webhook.failurePolicy="ignore"'], /failurePolicy/],
    [['podDisruptionBudget.maxUnavailable=0'], /maxUnavailable/],
    [['settings={"http":":81"}'], /settings\.http: follows from other values/],
    [['settings={"timeouts":{"drain":"1m"}}'], /settings\.timeouts\.drain: .* drainSeconds/],
    [['metrics.serviceMonitor.enabled=true'], /expected metrics\.enabled/],
  ] as const) {
    test(`${values.join(' ')} is refused`, () => {
      const { code, stderr } = render(program, values);
      assert.notEqual(code, 0);
      assert.match(stderr, message);
    });
  }
});

function settingsOf(objects: readonly KubeObject[]): string {
  const config = objects.find(({ kind }) => kind === 'ConfigMap') as { data?: Record<string, string> };
  return config.data?.['settings.yaml'] ?? assert.fail('no settings');
}

/** It gets as far as wanting a cluster; flags or settings that it does not know would end it with 2. */
async function startsWith(t: TestContext, { args }: Container, settings: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-chart-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'settings.yaml'), settings);
  writeFileSync(join(folder, 'key'), 'k'.repeat(64));
  const here = args.map((arg) => arg.replace(/=\/(etc\/tidegate(-speaker)?|var\/cache)\//, `=${folder}/`));
  const { code, stdout, stderr } = await runTidegate(here, { KUBECONFIG: join(folder, 'none') });
  assert.equal(code, 1, `${stdout}${stderr}`);
  assert.match(stdout, /"event":"start-failed".*kubeconfig/);
}

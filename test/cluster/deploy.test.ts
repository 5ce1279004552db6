/** What we ship to install, as a real API server takes it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { before, describe, test } from 'node:test';
import { helm } from '../helm/program.ts';
import { NAMESPACE, PLAIN_MANIFESTS, render } from '../helm/render.ts';
import { VALUES } from '../helm/values-matrix.ts';
import { findGoProgram } from '../kit/go-build.ts';
import type { KubeObject } from '../kit/manifests.ts';
import { type Scope, within } from '../kit/waiting.ts';
import { forbidden } from './kit/audit.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { suiteScope } from './kit/suite-scope.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const prepared = prepareCluster();
const built = findGoProgram(helm);
const noHelm = 'missing' in built ? built.missing : false;

/** The Prometheus operator's, as little of it as is needed to have the kind. */
const serviceMonitors: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'servicemonitors.monitoring.coreos.com' },
  spec: {
    group: 'monitoring.coreos.com',
    scope: 'Namespaced',
    names: {
      kind: 'ServiceMonitor',
      listKind: 'ServiceMonitorList',
      plural: 'servicemonitors',
      singular: 'servicemonitor',
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

describe('what is shipped', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    await cluster.kubectl.apply(serviceMonitors);
    await cluster.kubectl.run(['create', 'namespace', NAMESPACE]);
    await cluster.kubectl.run(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
  });
  /** No field is unknown or given twice, and no warning of the server's. */
  const dryRun = async (text: string) => {
    const args = ['apply', '--dry-run=server', '--validate=strict', '--warnings-as-errors', '-f', '-'];
    const { code, stdout, stderr } = await cluster.kubectl.try(args, text);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  for (const [title, values] of Object.entries(VALUES)) {
    test(`the chart, ${title}`, { skip: noHelm }, async () => {
      if (!('program' in built)) return;
      const { code, stdout, stderr } = render(built.program, values);
      assert.equal(code, 0, stderr);
      assert.match(await dryRun(stdout), /(daemonset|deployment)\.apps\/tidegate created/);
    });
  }

  test('without the network of nodes it is within Pod Security restricted', { skip: noHelm }, async () => {
    if (!('program' in built)) return;
    const level = 'pod-security.kubernetes.io/warn';
    await cluster.kubectl.run(['label', 'namespace', NAMESPACE, `${level}=restricted`]);
    const text = (values: readonly string[]) => render(built.program, values).stdout;
    await dryRun(text(['kind="Deployment"', 'hostNetwork=false', 'webhook.enabled=true']));
    await assert.rejects(dryRun(text([])), /hostNetwork/);
    await cluster.kubectl.run(['label', 'namespace', NAMESPACE, `${level}-`]);
  });

  test('the plain manifests, together; applied again, they make no Pod anew', async () => {
    const files = PLAIN_MANIFESTS.map(({ file }) => readFileSync(join(DEPLOY, file), 'utf8'));
    const crds = globSync('crds/*.yaml', { cwd: DEPLOY }).map((file) =>
      readFileSync(join(DEPLOY, file), 'utf8'),
    );
    const all = [...files, ...crds].join('\n---\n');
    await cluster.kubectl.run(['apply', '--validate=strict', '-f', '-'], all);
    const generations = async () => {
      const workloads = ['get', 'daemonsets,deployments', '-n', NAMESPACE, '-o'];
      return cluster.kubectl.run([
        ...workloads,
        'jsonpath={range .items[*]}{.kind} {.metadata.generation};{end}',
      ]);
    };
    assert.equal(await generations(), 'DaemonSet 1;DaemonSet 1;Deployment 1;');
    const again = await cluster.kubectl.run(['apply', '-f', '-'], all);
    assert.doesNotMatch(again, /created/);
    assert.equal(await generations(), 'DaemonSet 1;DaemonSet 1;Deployment 1;');
  });

  test('the speaker gets by with its rights: it is refused nothing but the names of Secrets', async (t) => {
    await cluster.kubectl.run(['apply', '-f', join(DEPLOY, 'tidegate.yaml')]);
    await cluster.kubectl.run(['apply', '-f', join(DEPLOY, 'speaker.yaml')]);
    const addresses = [{ type: 'InternalIP', address: '10.77.0.1' }];
    await cluster.kubectl.apply({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node' },
      status: { addresses },
    });
    const { kubeconfig } = await cluster.serviceAccount(NAMESPACE, 'tidegate-speaker');
    await startSpeaker(t, ['--source', 'kubernetes', '--kubeconfig', kubeconfig, '--node-name', 'node']);
    const events = (await cluster.audit()).filter(({ user }) => user.username.endsWith(':tidegate-speaker'));
    assert.ok(events.some(({ objectRef }) => objectRef?.resource === 'nodes'));
    assert.deepEqual(
      forbidden(events).filter((line) => !/: (list|watch) \/api\/v1\/secrets\?/.test(line)),
      [],
    );
  });
});

/** Starts `tidegate speaker`; resolves when it is ready, ends with the scope. */
async function startSpeaker(scope: Scope, args: readonly string[]): Promise<void> {
  const program = join(DEPLOY, '../bin/tidegate');
  const child = spawn(program, ['speaker', '--admin', '127.0.0.1:0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '' },
  });
  const exited = once(child, 'exit');
  scope.after(async () => {
    child.kill('SIGTERM');
    const [code] = await within(exited, 'the speaker to end');
    assert.equal(code, 0);
  });
  const lines: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (line.includes('"event":"ready"')) resolve();
    });
    child.once('exit', () => reject(new Error(`the speaker ended by itself\n${lines.join('\n')}`)));
  });
  await within(ready, () => `the ready line of the speaker, after\n${lines.join('\n')}`);
}

/** `tidegate speaker` in a cluster, with the rights that are shipped: what it writes and what it reads. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { NAMESPACE } from '../helm/render.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';
import { bgpAdvertisement, bgpPeer, endpoint, loadBalancer, node, pool } from '../net/kit/objects.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { suiteScope } from './kit/suite-scope.ts';

const prepared = prepareCluster();
const DEPLOY = join(import.meta.dirname, '../../deploy');
const PROGRAM = join(import.meta.dirname, '../../bin/tidegate');
const POD_UID = '11111111-2222-3333-4444-555555555555';

describe('a speaker in a cluster', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  let kubeconfig: string;
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    const files = ['tidegate.yaml', 'speaker.yaml', ...globSync('crds/*.yaml', { cwd: DEPLOY })];
    const texts = files.map((file) => readFileSync(join(DEPLOY, file), 'utf8'));
    await cluster.kubectl.run(['create', 'namespace', NAMESPACE]);
    await cluster.kubectl.run(['create', 'namespace', 'metallb-system']);
    await cluster.kubectl.run(['apply', '-f', '-'], texts.join('\n---\n'));
    await cluster.kubectl.run(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
    ({ kubeconfig } = await cluster.serviceAccount(NAMESPACE, 'tidegate-speaker'));
    const web = loadBalancer('web', [endpoint('10.0.0.1', 'node-a')], {
      loadBalancerClass: 'tidegate.io/load-balancer',
    });
    await cluster.kubectl.apply(
      node('node-a', '10.77.0.1'),
      pool(['203.0.113.0/24']),
      bgpAdvertisement,
      bgpPeer({ peerAddress: '127.0.0.9', passwordSecret: { name: 'nowhere' } }),
      ...web,
    );
    const status = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: '203.0.113.7' }] } } });
    const patch = ['patch', 'service', 'web', '--subresource=status', '--type=merge', '-p', status];
    await cluster.kubectl.run(patch);
  });
  const statuses = async () => {
    const text = await cluster.kubectl.run(['get', 'servicebgpstatuses', '-A', '-o', 'json']);
    return (JSON.parse(text) as { readonly items: readonly Record<string, never>[] }).items;
  };

  test('says which peers a Service is announced to, and takes it back at the end', async (t) => {
    const speaker = startSpeaker(t, kubeconfig);
    // Without its password there is no session, and nothing is announced.
    await eventually(async () => {
      const events = await cluster.kubectl.run(['get', 'events.events.k8s.io', '-A', '-o', 'json']);
      assert.match(events, /there is no Secret metallb-system\/nowhere/);
    });
    assert.deepEqual(await statuses(), []);
    await cluster.kubectl.apply(bgpPeer({ peerAddress: '127.0.0.9' }));
    await eventually(async () => {
      const [first, second] = await statuses();
      assert.equal(second, undefined);
      const { metadata, status } = first as never as {
        metadata: { namespace: string; ownerReferences: object[]; labels: object };
        status: object;
      };
      assert.deepEqual(status, {
        node: 'node-a',
        peers: ['router'],
        serviceName: 'web',
        serviceNamespace: 'default',
      });
      assert.equal(metadata.namespace, NAMESPACE);
      assert.deepEqual(metadata.ownerReferences, [
        { apiVersion: 'v1', kind: 'Pod', name: 'tidegate-speaker-x', uid: POD_UID },
      ]);
      assert.deepEqual(metadata.labels, {
        'metallb.io/node': 'node-a',
        'metallb.io/service-name': 'web',
        'metallb.io/service-namespace': 'default',
      });
    });
    speaker.kill('SIGTERM');
    const [code] = await within(once(speaker, 'exit'), 'the end of the speaker');
    assert.equal(code, 0);
    assert.deepEqual(await statuses(), []);
  });
});

/** Ends with the scope. */
function startSpeaker(scope: Scope, kubeconfig: string): ChildProcess {
  const flags = ['--source', 'kubernetes', '--kubeconfig', kubeconfig, '--node-name', 'node-a'];
  const { PATH = '' } = process.env;
  const child = spawn(PROGRAM, ['speaker', '--admin', '127.0.0.1:0', '--bgp-listen', 'off', ...flags], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH, POD_NAMESPACE: NAMESPACE, POD_NAME: 'tidegate-speaker-x', POD_UID },
  });
  scope.after(() => void child.kill('SIGKILL'));
  return child;
}

/** The API server goes away, forgets, and refuses: traffic goes on, and afterwards nothing is missing. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { EchoBackend } from '../kit/echo-backend.ts';
import { ingress, ingressClass, service } from '../kit/manifests.ts';
import type { Tidegate } from '../kit/tidegate.ts';
import { eventually } from '../kit/waiting.ts';
import { startTraffic, untilAnswered } from './kit/ask.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { type Gate, openGate } from './kit/gate.ts';
import { suiteScope } from './kit/suite-scope.ts';
import { BACKEND_ADDRESS, startBackend, startReplica } from './kit/tidegate.ts';

const prepared = prepareCluster();
const skip = 'missing' in prepared ? prepared.missing : false;
const GATE_PORT = 7443;
/** Reconnecting waits longer after each failure, up to half a minute. */
const RECONNECT_MS = 90_000;

const CACHES = [
  { title: 'the API server answers watches from its cache', flags: [] },
  { title: 'the API server asks etcd for each watch', flags: ['--watch-cache=false'] },
];
for (const { title, flags } of CACHES) {
  describe(`outages: ${title}`, { skip }, () => {
    const scope = suiteScope();
    let cluster: ControlPlane;
    let gate: Gate;
    let tidegate: Tidegate;
    let steady: EchoBackend;
    let other: EchoBackend;
    before(async () => {
      if (!('binaries' in prepared)) return;
      cluster = await startControlPlane(scope, prepared.binaries, { apiServerFlags: flags });
      steady = await startBackend(scope, 'steady');
      other = await startBackend(scope, 'other');
      const { kubectl } = cluster;
      await kubectl.apply(
        ingressClass,
        ...service('steady', [steady.port], BACKEND_ADDRESS),
        ...service('other', [other.port], BACKEND_ADDRESS),
        route('steady', 'steady'),
      );
      await kubectl.run(['create', 'serviceaccount', 'tidegate']);
      const role = ['--clusterrole=cluster-admin', '--serviceaccount=default:tidegate'];
      await kubectl.run(['create', 'clusterrolebinding', 'tidegate', ...role]);
      gate = await openGate(scope, GATE_PORT);
      const { kubeconfig } = await cluster.serviceAccount('default', 'tidegate', gate.url);
      tidegate = await startReplica(scope, cluster, { kubeconfig });
    });
    const route = (name: string, backend: string) =>
      ingress(name, `${name}.test`, [{ path: '/', service: backend }]);
    const remove = (name: string) => cluster.kubectl.run(['delete', 'ingress', name]);
    const live = (name: string, wanted: number | string) =>
      untilAnswered(tidegate.http, `${name}.test`, wanted, '/', RECONNECT_MS);

    test('the API server is killed and started again: no request fails, later changes arrive', async (t) => {
      const traffic = startTraffic(t, tidegate.http, 'steady.test', 'steady');
      await cluster.apiServer.stop('SIGKILL');
      const then = traffic.answered;
      await eventually(() => assert.ok(traffic.answered > then + 200));
      await cluster.restartApiServer();
      await cluster.kubectl.apply(route('after', 'other'));
      await live('after', 'other');
      await traffic.stop();
      assert.deepEqual(traffic.failures, []);
    });

    test('what changed while the network was cut arrives, deletions too', async (t) => {
      await cluster.kubectl.apply(route('doomed', 'other'), route('moved', 'steady'));
      await live('doomed', 'other');
      await live('moved', 'steady');
      const traffic = startTraffic(t, tidegate.http, 'steady.test', 'steady');
      gate.shut();
      await remove('doomed');
      await cluster.kubectl.apply(route('moved', 'other'), route('added', 'other'));
      gate.unlock();
      await live('doomed', 404);
      await live('moved', 'other');
      await live('added', 'other');
      await traffic.stop();
      assert.deepEqual(traffic.failures, []);
    });

    test('connections that went silent are given up: what changed meanwhile arrives', async (t) => {
      const own = await openGate(t, GATE_PORT + 1);
      const { kubeconfig } = await cluster.serviceAccount('default', 'tidegate', own.url);
      const args = ['--watch-idle', '3s', '--leader-election', 'off'];
      const { http } = await startReplica(t, cluster, { kubeconfig, args });
      await untilAnswered(http, 'steady.test', 'steady');
      own.stall();
      await cluster.kubectl.apply(route('unheard', 'other'));
      await untilAnswered(http, 'unheard.test', 'other', '/', RECONNECT_MS);
    });

    test('a history that was compacted away (410) is listed anew, without a gap', async (t) => {
      await cluster.kubectl.apply(route('old', 'other'));
      await live('old', 'other');
      const traffic = startTraffic(t, tidegate.http, 'steady.test', 'steady');
      gate.shut();
      await remove('old');
      await cluster.kubectl.apply(route('new', 'other'));
      await cluster.compact();
      // The cache would still know what etcd has forgotten.
      await cluster.apiServer.stop('SIGKILL');
      await cluster.restartApiServer();
      gate.unlock();
      await live('old', 404);
      await live('new', 'other');
      await traffic.stop();
      assert.deepEqual(traffic.failures, []);
    });

    test('a token that is no longer valid is read anew from its file', async (t) => {
      const traffic = startTraffic(t, tidegate.http, 'steady.test', 'steady');
      await cluster.restartWithNewServiceAccountKey();
      const refused = async () => {
        const { text } = await tidegate.get('/metrics');
        assert.match(text, /tidegate_kubernetes_requests_total\{[^}]*code="401"/);
      };
      await eventually(refused, RECONNECT_MS);
      await cluster.serviceAccount('default', 'tidegate', gate.url);
      await cluster.kubectl.apply(route('renewed', 'other'));
      await live('renewed', 'other');
      await traffic.stop();
      assert.deepEqual(traffic.failures, []);
    });
  });
}

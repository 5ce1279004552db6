/** Thousands of objects are created while traffic flows. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { before, describe, test } from 'node:test';
import type { EchoBackend } from '../kit/echo-backend.ts';
import { ingress, ingressClass, service } from '../kit/manifests.ts';
import type { Tidegate } from '../kit/tidegate.ts';
import { ask, startTraffic, untilAnswered } from './kit/ask.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { asList } from './kit/kubectl.ts';
import { suiteScope } from './kit/suite-scope.ts';
import { BACKEND_ADDRESS, startBackend, startReplica } from './kit/tidegate.ts';

const prepared = prepareCluster();
const COUNT = 5000;
/** From the last creation until all are live; the machine may be busy with the API server. */
const LIVE_MS = 60_000;

describe('5,000 Ingresses', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  let tidegate: Tidegate;
  let backend: EchoBackend;
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    backend = await startBackend(scope, 'backend');
    await cluster.kubectl.apply(
      ingressClass,
      ...service('backend', [backend.port], BACKEND_ADDRESS),
      route('steady'),
    );
    tidegate = await startReplica(scope, cluster, { workers: 2 });
  });
  const route = (name: string) => ingress(name, `${name}.test`, [{ path: '/', service: 'backend' }]);
  const all = Array.from({ length: COUNT }, (_, index) => route(`many-${index}`));

  test('are created and deleted by kubectl while traffic flows: no request fails, each is served', async (t) => {
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const traffic = startTraffic(t, tidegate.http, 'steady.test', 'backend');
    const start = performance.now();
    await cluster.kubectl.run(['create', '-f', '-'], asList(all));
    const created = performance.now();
    await untilAnswered(tidegate.http, `many-${COUNT - 1}.test`, 'backend', '/', LIVE_MS);
    const live = performance.now();
    // They became live in the order of their creation.
    const wrong: string[] = [];
    for (let at = 0; at < COUNT; at++) {
      const { backend } = await ask(tidegate.http, `many-${at}.test`, '/', agent);
      if (backend !== 'backend') wrong.push(`many-${at}`);
    }
    assert.deepEqual(wrong, []);
    const asked = performance.now();
    await cluster.kubectl.run(['delete', '--wait=false', '-f', '-'], asList(all));
    const deleted = performance.now();
    for (const at of [0, COUNT / 2, COUNT - 1]) {
      await untilAnswered(tidegate.http, `many-${at}.test`, 404, '/', LIVE_MS);
    }
    await traffic.stop();
    assert.deepEqual(traffic.failures, []);
    assert.ok(traffic.answered > 1000, `${traffic.answered} requests meanwhile`);
    const seconds = (from: number, to: number) => ((to - from) / 1000).toFixed(1);
    t.diagnostic(
      `created in ${seconds(start, created)} s, all live ${seconds(created, live)} s later, ` +
        `deleted in ${seconds(asked, deleted)} s, ${traffic.answered} requests answered meanwhile`,
    );
  });
});

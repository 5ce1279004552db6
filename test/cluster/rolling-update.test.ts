/**
 * An update with surge on the ports of a node, as the DaemonSet of the chart does it: the new process stands beside the
 * old one on the same ports until that is told to end. In a network of its own, where the ports are free.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { startEchoBackend } from '../kit/echo-backend.ts';
import { makeManifestFolder, routeAll } from '../kit/manifests.ts';
import { startTidegate, type Tidegate } from '../kit/tidegate.ts';
import { eventually, type Scope } from '../kit/waiting.ts';
import { ask } from './kit/ask.ts';
import { enterOwnNetwork } from './kit/own-network.ts';

const missing = enterOwnNetwork();
const HTTP = 8080;
const ADMIN = 9090;
/** Hands connections that nobody accepted yet to the other listener when one closes (Linux 5.14). */
const MIGRATE = '/proc/sys/net/ipv4/tcp_migrate_req';
const UPDATES = 4;

describe('an update on the ports of a node', { skip: missing ?? false }, () => {
  test('loses no request, neither on old connections nor on new ones', async (t) => {
    if (!existsSync(MIGRATE)) return t.skip('net.ipv4.tcp_migrate_req needs Linux 5.14');
    writeFileSync(MIGRATE, '1');
    const backend = await startEchoBackend(t, 'backend');
    const folder = await makeManifestFolder(t);
    const pod = (name: string) => startPod(t, join(folder.path, name), backend.port);
    let current = await pod('ready-0');
    const load = startLoad(t);
    for (let update = 1; update <= UPDATES; update++) {
      await load.more(200);
      const ready = join(folder.path, `ready-${update}`);
      const next = await pod(`ready-${update}`);
      assert.equal(readFileSync(ready, 'utf8'), '');
      await load.more(200);
      current.signal('SIGTERM');
      assert.equal((await current.exit()).code, 0);
      // Whoever stays has the admin port in the end.
      await eventually(async () => assert.equal((await next.get('/readyz')).status, 200));
      current = next;
    }
    await load.more(200);
    await load.stop();
    t.diagnostic(`${load.answered} requests, ${load.failures.length} lost`);
    assert.deepEqual(load.failures, []);
  });
});

function startPod(scope: Scope, readyFile: string, backend: number): Promise<Tidegate> {
  const listeners = ['--http', `127.0.0.1:${HTTP}`, '--admin', `127.0.0.1:${ADMIN}`];
  return startTidegate(scope, {
    manifests: routeAll('site.test', backend),
    args: [...listeners, '--ready-file', readyFile, '--drain-delay', '100ms'],
    workers: 2,
  });
}

/** Connections that are kept, and others that are made for each request. */
function startLoad(t: TestContext) {
  const kept = new Agent({ keepAlive: true, maxSockets: 4 });
  const failures: string[] = [];
  let answered = 0;
  let stopped = false;
  const loop = async (agent?: Agent) => {
    while (!stopped) {
      const answer = await ask(HTTP, 'site.test', '/', agent).catch((error: Error) => error.message);
      if (typeof answer === 'object' && answer.backend === 'backend') answered++;
      else if (failures.length < 20) failures.push(JSON.stringify(answer));
    }
  };
  const loops = Promise.all([loop(kept), loop(kept), loop(kept), loop(kept), loop(), loop(), loop(), loop()]);
  const stop = async () => {
    stopped = true;
    await loops;
    kept.destroy();
  };
  t.after(stop);
  return {
    get answered() {
      return answered;
    },
    failures,
    stop,
    /** Waits for so many more answers. */
    more: async (count: number) => {
      const goal = answered + count;
      await eventually(() => assert.ok(answered >= goal || failures.length > 0));
    },
  };
}

/** SIGTERM while the API server lets the start wait. In a container process 1 ends only if it wants to. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { type FakeCluster, startFakeCluster } from '../kit/fake-cluster.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';

const PROGRAM = join(import.meta.dirname, '../../bin/tidegate');

interface Starting {
  readonly child: ChildProcess;
  readonly events: readonly string[];
}

/** Starts a command of the program that is not expected to become ready. */
function startCommand(scope: Scope, { kubeconfig }: FakeCluster, args: readonly string[]): Starting {
  const { PATH = '' } = process.env;
  const flags = ['--source', 'kubernetes', '--kubeconfig', kubeconfig];
  const child = spawn(PROGRAM, [...args, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH, POD_NAMESPACE: 'default' },
  });
  scope.after(() => void child.kill('SIGKILL'));
  const events: string[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => {
    events.push(String((JSON.parse(line) as { readonly event?: string }).event));
  });
  return { child, events };
}

async function endedBySigterm({ child }: Starting): Promise<unknown> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await within(exited, 'the program to end');
  return code;
}

describe('SIGTERM at the start', () => {
  test('ends `run` in good order, and gives the Lease back', async (t) => {
    const metadata = { name: 'tidegate', namespace: 'default' };
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: {} };
    const cluster = await startFakeCluster(t, [lease]);
    cluster.api.fault = ({ verb }) => (verb === 'list' ? { kind: 'hang' } : null);
    const listen = ['--http', '127.0.0.1:0', '--https', 'off', '--admin', '127.0.0.1:0', '--workers', '1'];
    const starting = startCommand(t, cluster, ['run', ...listen]);
    await eventually(() => assert.ok(starting.events.includes('leading')));
    assert.equal(await endedBySigterm(starting), 0);
    const { holderIdentity } = cluster.api.store.get('Lease', 'default/tidegate')!['spec'] as {
      readonly holderIdentity?: string;
    };
    assert.equal(holderIdentity, '');
    assert.ok(!starting.events.includes('start-failed'));
  });

  test('ends `webhook` in good order', async (t) => {
    const cluster = await startFakeCluster(t);
    await cluster.api.stop();
    const starting = startCommand(t, cluster, ['webhook', '--webhook', '127.0.0.1:0']);
    await eventually(() => assert.ok(starting.events.includes('webhook-certificate')));
    assert.equal(await endedBySigterm(starting), 0);
  });
});

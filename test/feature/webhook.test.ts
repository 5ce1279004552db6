/** `tidegate webhook` as the API server meets it: over TLS, with AdmissionReviews. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { connect } from 'node:tls';
import { issue } from '../kit/certificates.ts';
import type { FakeObject } from '../kit/fake-api-server.ts';
import { type FakeCluster, startFakeCluster } from '../kit/fake-cluster.ts';
import { ingress, type KubeObject, makeManifestFolder, service } from '../kit/manifests.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';
import { startWebhook } from '../kit/webhook.ts';

const NAME = 'tidegate-webhook.tidegate.svc';

/** What the API server is told in deploy/: it leads to Service `tidegate/tidegate-webhook`. */
const configuration: KubeObject = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name: 'tidegate' },
  webhooks: [
    {
      name: 'a',
      clientConfig: { service: { namespace: 'tidegate', name: 'tidegate-webhook', path: '/validate' } },
    },
    { name: 'b', clientConfig: { service: { namespace: 'other', name: 'hook' }, caBundle: 'b3RoZXI=' } },
  ],
};

const start = (scope: Scope, args: readonly string[]) => startWebhook(scope, args, 'tidegate');

interface Asked {
  readonly port: number;
  /** PEM of whom the client trusts. */
  readonly ca: string;
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
}

async function ask({ port, ca, method = 'POST', path = '/validate', body = '' }: Asked) {
  const outgoing = request({ host: '127.0.0.1', port, servername: NAME, ca, method, path, agent: false });
  outgoing.on('error', () => {});
  outgoing.end(body);
  const [response] = await within(once(outgoing, 'response'), 'an answer of the webhook');
  const text = await textOf(response);
  return { status: response.statusCode as number, text };
}

/** The question for `object`, as Kubernetes 1.35 asks it (less `userInfo`). */
function review(
  operation: 'CREATE' | 'UPDATE',
  object: KubeObject,
  oldObject: KubeObject | null = null,
): string {
  const { namespace, name } = object['metadata'] as { readonly namespace: string; readonly name: string };
  const kind = { group: 'networking.k8s.io', version: 'v1', kind: 'Ingress' };
  const resource = { group: 'networking.k8s.io', version: 'v1', resource: 'ingresses' };
  const names = { kind, resource, requestKind: kind, requestResource: resource, name, namespace };
  const options = {
    kind: `${operation[0]}${operation.slice(1).toLowerCase()}Options`,
    apiVersion: 'meta.k8s.io/v1',
  };
  return JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      ...names,
      operation,
      object,
      oldObject,
      dryRun: true,
      options,
    },
  });
}

interface Answer {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: { readonly code: number; readonly message: string };
  readonly warnings?: readonly string[];
}

async function judged(asked: Asked): Promise<Answer> {
  const { status, text } = await ask(asked);
  assert.equal(status, 200, text);
  return JSON.parse(text).response;
}

const claim = (host: string) => ingress('web', host, [{ path: '/', service: 'web' }]);
const secretOf = ({ api }: FakeCluster) => api.store.get('Secret', 'tidegate/tidegate-webhook');
const decoded = (value: unknown) => Buffer.from(String(value), 'base64').toString();

function authorityOf(cluster: FakeCluster): string {
  const webhooks = cluster.api.store.get('ValidatingWebhookConfiguration', 'tidegate')?.['webhooks'];
  const [own] = webhooks as readonly { readonly clientConfig: { readonly caBundle?: string } }[];
  return decoded(own?.clientConfig.caBundle);
}

const inCluster = ({ kubeconfig }: FakeCluster) => ['--source', 'kubernetes', '--kubeconfig', kubeconfig];

describe('a certificate from files', () => {
  test('serves verdicts by the objects there are', async (t) => {
    const folder = await makeManifestFolder(t);
    const taken = { ...claim('taken.test'), metadata: { name: 'first', namespace: 'another' } };
    await folder.write('all.yaml', [...service('web', []), taken]);
    const own = issue({ names: [NAME] });
    const files = await makeManifestFolder(t);
    const [certificate, key] = [join(files.path, 'tls.crt'), join(files.path, 'tls.key')];
    await writeFile(certificate, own.certificate);
    await writeFile(key, own.key);
    const args = ['--webhook-certificate', certificate, '--webhook-key', key];
    const port = await start(t, ['--source', 'manifests', '--manifests', folder.path, ...args]);
    const asked = { port, ca: own.certificate };
    const fine = await judged({ ...asked, body: review('CREATE', claim('a.test')) });
    assert.deepEqual(fine, { uid: '705ab4f5-6393-11e8-b7cc-42010a800002', allowed: true });
    const refused = await judged({ ...asked, body: review('CREATE', claim('taken.test')) });
    assert.equal(refused.allowed, false);
    assert.match(refused.status?.message ?? '', /belongs to Ingress another\/first/);
    const same = await judged({ ...asked, body: review('UPDATE', claim('taken.test'), claim('taken.test')) });
    assert.equal(same.allowed, true);
    assert.equal(same.warnings?.length, 1);
  });
});

describe('a certificate of our own making', () => {
  test('is kept in a Secret, its authority is written into the configuration of our webhook alone', async (t) => {
    const cluster = await startFakeCluster(t, [configuration]);
    const port = await start(t, inCluster(cluster));
    const ca = authorityOf(cluster);
    const verdict = await judged({ port, ca, body: review('CREATE', claim('a.test')) });
    assert.equal(verdict.allowed, true);
    assert.match(verdict.warnings?.join() ?? '', /there is no Service default\/web/);
    assert.equal(decoded((secretOf(cluster)!['data'] as FakeObject)['ca.crt']), ca);
    const webhooks = cluster.api.store.get('ValidatingWebhookConfiguration', 'tidegate')?.['webhooks'];
    assert.deepEqual((webhooks as unknown[])[1], (configuration['webhooks'] as unknown[])[1]);
  });
  test('is the same for replicas that start at once, and after a restart', async (t) => {
    const cluster = await startFakeCluster(t, [configuration]);
    const ports = await Promise.all([1, 2].map(() => start(t, inCluster(cluster))));
    const data = secretOf(cluster)?.['data'];
    ports.push(await start(t, inCluster(cluster)));
    assert.deepEqual(secretOf(cluster)?.['data'], data);
    for (const port of ports) {
      const socket = connect({ host: '127.0.0.1', port, servername: NAME, ca: authorityOf(cluster) });
      t.after(() => void socket.destroy());
      await within(once(socket, 'secureConnect'), 'a handshake');
      const shown = socket.getPeerX509Certificate()?.toString();
      assert.equal(shown, decoded((data as FakeObject)['tls.crt']));
    }
  });
  test('fills a Secret that was installed empty', async (t) => {
    const metadata = { name: 'tidegate-webhook', namespace: 'tidegate' };
    const empty = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata };
    const cluster = await startFakeCluster(t, [configuration, empty]);
    cluster.api.denied.add('create secrets');
    const port = await start(t, inCluster(cluster));
    assert.equal((await ask({ port, ca: authorityOf(cluster), method: 'GET', path: '/readyz' })).status, 200);
  });
  test('reads neither Secrets of others nor endpoints', async (t) => {
    const cluster = await startFakeCluster(t, [configuration]);
    await start(t, inCluster(cluster));
    const lists = cluster.api.requests
      .filter(({ verb }) => verb === 'list')
      .map(({ resource }) => resource.plural);
    assert.deepEqual([...new Set(lists)].sort(), ['ingressclasses', 'ingresses', 'services']);
  });
  test('verdicts follow the cluster', async (t) => {
    const cluster = await startFakeCluster(t, [configuration]);
    const port = await start(t, inCluster(cluster));
    const asked = { port, ca: authorityOf(cluster), body: review('CREATE', claim('taken.test')) };
    assert.equal((await judged(asked)).allowed, true);
    cluster.put({ ...claim('taken.test'), metadata: { name: 'first', namespace: 'other' } });
    await eventually(async () => assert.equal((await judged(asked)).allowed, false));
  });
});

describe('what is no question', () => {
  test('is refused within bounds', async (t) => {
    const cluster = await startFakeCluster(t, [configuration]);
    const port = await start(t, inCluster(cluster));
    const asked = { port, ca: authorityOf(cluster) };
    assert.equal((await ask({ ...asked, body: 'no JSON' })).status, 400);
    assert.equal((await ask({ ...asked, body: '{}' })).status, 400);
    assert.equal((await ask({ ...asked, method: 'GET' })).status, 405);
    assert.equal((await ask({ ...asked, path: '/other' })).status, 404);
    assert.equal((await ask({ ...asked, body: 'x'.repeat(9 * 1024 * 1024) })).status, 413);
    assert.equal((await ask({ ...asked, method: 'GET', path: '/healthz' })).status, 200);
  });
});

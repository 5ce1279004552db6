import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadSettings, loadWebhookSettings } from './settings.ts';

type Flags = Record<string, string | boolean>;

function load(loader: typeof loadSettings | typeof loadWebhookSettings, flags: Flags, environment = {}) {
  return loader({ flags: new Map(Object.entries({ manifests: '/m', ...flags })), environment });
}

function cluster(flags: Flags, environment = {}) {
  const loaded = load(loadSettings, flags, environment);
  if (!loaded.ok) assert.fail(loaded.errors.join('\n'));
  assert.ok('cluster' in loaded.settings);
  return loaded.settings.cluster;
}

describe('the election', () => {
  test('has the times of client-go by default, and all follow from the duration of the Lease', () => {
    const times = { lease: null, leaseDuration: 15_000, renewDeadline: 10_000, retryPeriod: 2000 };
    assert.deepEqual(cluster({}).election, times);
    assert.deepEqual(cluster({ 'lease-duration': '30s', lease: 'infra/edge' }).election, {
      lease: { namespace: 'infra', name: 'edge' },
      leaseDuration: 30_000,
      renewDeadline: 20_000,
      retryPeriod: 4000,
    });
  });
  test('can be switched off', () => {
    assert.equal(cluster({ 'leader-election': 'off' }).election, null);
  });
  test('is not to be hurried', () => {
    const loaded = load(loadSettings, { 'lease-duration': '1s' });
    assert.deepEqual(loaded, {
      ok: false,
      errors: ['--lease-duration: 1000 ms is too short: expected at least 3s.'],
    });
  });
});

describe('what is published', () => {
  test('is nothing when nothing is said', () => {
    assert.equal(cluster({}).publishing, null);
  });
  test('are addresses, a Service, or nodes', () => {
    assert.deepEqual(cluster({ 'publish-status-address': '192.0.2.1, 2001:db8::1,LB.example' }).publishing, {
      addresses: ['192.0.2.1', '2001:db8::1', 'lb.example'],
      service: null,
      nodes: 'off',
    });
    const nodes = { 'publish-node-addresses': 'external', 'publish-service': 'infra/front' };
    assert.deepEqual(cluster(nodes).publishing, {
      addresses: [],
      service: { namespace: 'infra', name: 'front' },
      nodes: 'external',
    });
  });
  test('are not given addresses and those of nodes at the same time', () => {
    const both = { 'publish-status-address': '192.0.2.1', 'publish-node-addresses': 'internal' };
    const loaded = load(loadSettings, both);
    assert.match(loaded.ok ? '' : loaded.errors.join(), /cannot be combined with --publish-status-address/);
  });
  test('is no address with a slip in it', () => {
    for (const slip of ['192.0.2', '192.0.2.1:80', 'no_name', '192.0.2.1/32']) {
      assert.equal(load(loadSettings, { 'publish-status-address': slip }).ok, false, slip);
    }
  });
});

test('a pod is known by the downward API', () => {
  const environment = { POD_NAMESPACE: 'infra', POD_NAME: 'tidegate-x', POD_IP: '10.0.0.1', POD_UID: 'u-1' };
  const pod = { namespace: 'infra', name: 'tidegate-x', ip: '10.0.0.1', uid: 'u-1' };
  assert.deepEqual(cluster({}, environment).pod, pod);
  assert.deepEqual(cluster({}).pod, { namespace: null, name: null, ip: null, uid: null });
});

test('the webhook has a certificate from files when both are given, and makes one when neither is', () => {
  const files = (flags: Flags) => {
    const loaded = load(loadWebhookSettings, flags);
    return loaded.ok && 'webhook' in loaded.settings ? loaded.settings.webhook.files : 'refused';
  };
  assert.equal(files({}), null);
  const both = { 'webhook-certificate': '/tls.crt', 'webhook-key': '/tls.key' };
  assert.deepEqual(files(both), { certificate: '/tls.crt', key: '/tls.key' });
  assert.equal(files({ 'webhook-key': '/tls.key' }), 'refused');
});

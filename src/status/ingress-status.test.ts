import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ObjectKey, objectKey } from '../model/keys.ts';
import type { AnyObject, Ingress, Snapshot } from '../model/snapshot.ts';
import { EMPTY_SNAPSHOT } from '../model/snapshot.ts';
import { type Publishing, publishedAddresses } from './addresses.ts';
import { ingressStatusObject, planIngressStatuses, planWithdrawal } from './ingress-status.ts';

/** Objects as far as a test is about them: the plan reads nothing else. */
function object<T extends AnyObject>(name: string, fields: object): T {
  const meta = { namespace: 'ns', name, key: objectKey('ns', name), uid: `uid-${name}`, labels: new Map() };
  return { meta, ...fields } as unknown as T;
}

const byKey = <T extends AnyObject>(objects: readonly T[]): ReadonlyMap<ObjectKey, T> =>
  new Map(objects.map((each) => [each.meta.key, each]));
const at = (...addresses: string[]) =>
  addresses.map((text) =>
    /^[\d.:]+$/.test(text)
      ? { ip: text, hostname: '', ipMode: null }
      : { ip: '', hostname: text, ipMode: null },
  );

describe('where Ingresses are reached', () => {
  const service = (fields: object) => ({
    services: byKey([
      object('lb', { type: 'LoadBalancer', clusterIps: [], externalIps: [], loadBalancer: [], ...fields }),
    ]),
  });
  const node = (name: string, fields: object = {}) =>
    object(name, {
      ready: true,
      addresses: [
        { type: 'InternalIP', address: `10.0.0.${name.slice(1)}` },
        { type: 'Hostname', address: name },
      ],
      ...fields,
    });
  const external = [
    { type: 'InternalIP', address: '10.0.0.9' },
    { type: 'ExternalIP', address: '192.0.2.9' },
  ];
  const excluded = {
    meta: {
      name: 'n3',
      key: 'n3',
      labels: new Map([['node.kubernetes.io/exclude-from-external-load-balancers', '']]),
    },
  };
  const slice = object('s', {
    service: 'ns/lb',
    endpoints: [
      { ready: true, nodeName: 'n1' },
      { ready: false, nodeName: 'n2' },
    ],
  });
  const lb: Publishing = { kind: 'service', service: objectKey('ns', 'lb') };
  const nodes = (type: 'InternalIP' | 'ExternalIP', of: string | null = null): Publishing => ({
    kind: 'nodes',
    type,
    service: of as ObjectKey | null,
  });
  const table: [what: string, publishing: Publishing, world: object, expected: string[] | null][] = [
    [
      'as given, host names first, each once',
      { kind: 'addresses', addresses: ['192.0.2.2', 'a.example', '192.0.2.2', '2001:db8::1'] },
      {},
      ['192.0.2.2', '2001:db8::1', 'a.example'],
    ],
    [
      'a LoadBalancer: its status and its external addresses',
      lb,
      service({ loadBalancer: [...at('192.0.2.7'), ...at('lb.example')], externalIps: ['192.0.2.1'] }),
      ['192.0.2.1', '192.0.2.7', 'lb.example'],
    ],
    [
      'every address in the one spelling that the status is read in',
      { kind: 'addresses', addresses: ['2001:DB8:0::1', '::ffff:192.0.2.1'] },
      {},
      ['192.0.2.1', '2001:db8::1'],
    ],
    ['a LoadBalancer that waits for an address: none', lb, service({}), []],
    ['a ClusterIP', lb, service({ type: 'ClusterIP', clusterIps: ['10.0.0.1'] }), ['10.0.0.1']],
    [
      'a NodePort: its external addresses',
      lb,
      service({ type: 'NodePort', clusterIps: ['10.0.0.1'], externalIps: ['192.0.2.1'] }),
      ['192.0.2.1'],
    ],
    ['a NodePort without', lb, service({ type: 'NodePort', clusterIps: ['10.0.0.1'] }), ['10.0.0.1']],
    ['an ExternalName', lb, service({ type: 'ExternalName', externalName: 'lb.example' }), ['lb.example']],
    ['a Service that is not there: unknown', lb, {}, null],
    [
      'nodes that are ready and not excluded',
      nodes('InternalIP'),
      {
        nodes: byKey([node('n2'), node('n1'), node('n4', { ready: false }), node('n3', excluded)] as never[]),
      },
      ['10.0.0.1', '10.0.0.2'],
    ],
    [
      'nodes with a ready endpoint',
      nodes('InternalIP', 'ns/lb'),
      { nodes: byKey([node('n1'), node('n2')] as never[]), endpointSlices: byKey([slice as never]) },
      ['10.0.0.1'],
    ],
    [
      'external addresses of nodes, internal ones of those without',
      nodes('ExternalIP'),
      { nodes: byKey([node('n1'), node('n9', { addresses: external })] as never[]) },
      ['10.0.0.1', '192.0.2.9'],
    ],
    ['no node that is ready: unknown', nodes('InternalIP'), {}, null],
  ];
  for (const [what, publishing, world, expected] of table) {
    test(what, () => {
      const { addresses, problem } = publishedAddresses(publishing, { ...EMPTY_SNAPSHOT, ...world });
      assert.deepEqual(addresses?.map(({ ip, hostname }) => ip + hostname).sort() ?? null, expected);
      assert.equal(problem === null, expected !== null);
    });
  }
});

describe('what is written', () => {
  const ingress = (name: string, ...addresses: string[]): Ingress =>
    object(name, { loadBalancer: at(...addresses), statusManagers: ['tidegate:example.com/other'] });
  const plan = (ours: readonly Ingress[], others: readonly Ingress[], addresses: string[] | null) => {
    const ingresses = byKey([...ours, ...others]);
    const statuses = planIngressStatuses(
      { ingresses },
      byKey(ours),
      'tidegate',
      addresses === null ? null : at(...addresses),
    );
    return Object.fromEntries(
      [...statuses].map(([key, status]) => [
        key,
        status.addresses?.map(({ ip, hostname }) => ip + hostname) ?? null,
      ]),
    );
  };

  test('only what differs, in whatever order the addresses stand', () => {
    const ours = [ingress('new'), ingress('right', '192.0.2.2', '192.0.2.1'), ingress('old', '192.0.2.9')];
    const both = ['192.0.2.1', '192.0.2.2'];
    assert.deepEqual(plan(ours, [], both), { 'ns/new': both, 'ns/old': both });
    assert.deepEqual(plan(ours, [], []), { 'ns/right': [], 'ns/old': [] });
  });
  test('nothing, as long as no address is known', () => {
    assert.deepEqual(plan([ingress('new'), ingress('old', '192.0.2.9')], [], null), {});
  });
  test('of another class only what we wrote is taken back, whether addresses are known or not', () => {
    const left = object<Ingress>('left', { loadBalancer: at('192.0.2.1'), statusManagers: ['tidegate'] });
    const foreign = ingress('foreign', '192.0.2.1');
    for (const addresses of [['192.0.2.1'], null]) {
      assert.deepEqual(plan([], [left, foreign], addresses), { 'ns/left': null });
    }
  });
  test('at the end of the last replica, everything we wrote is taken back', () => {
    const written = object<Ingress>('written', {
      loadBalancer: at('192.0.2.1'),
      statusManagers: ['tidegate'],
    });
    const snapshot: Pick<Snapshot, 'ingresses'> = {
      ingresses: byKey([written, ingress('foreign', '192.0.2.1')]),
    };
    assert.deepEqual([...planWithdrawal(snapshot, 'tidegate').keys()], ['ns/written']);
  });
  test('the applied object holds all and only our fields, and is bound to this very Ingress', () => {
    const target = ingress('web');
    const metadata = { namespace: 'ns', name: 'web', uid: 'uid-web' };
    const head = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata };
    assert.deepEqual(ingressStatusObject({ ingress: target, addresses: at('192.0.2.1', 'a.example') }), {
      ...head,
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }, { hostname: 'a.example' }] } },
    });
    assert.deepEqual(ingressStatusObject({ ingress: target, addresses: null }), head);
  });
});

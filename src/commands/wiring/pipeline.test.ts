import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadBalancer, pool, snapshotWith } from '../../../test/kit/load-balancer-objects.ts';
import { byKey } from '../../../test/kit/objects.ts';
import { OPTIONS } from '../../../test/kit/translate-options.ts';
import { AddressPlanner } from '../../ipam/address-planner.ts';
import { ProblemLog } from '../../observe/problem-log.ts';
import { createTranslator } from '../../translate/translate.ts';
import { addressOptions } from './address-options.ts';
import { Pipeline } from './pipeline.ts';

const ADDRESSES = addressOptions(
  {
    loadBalancerClass: 'tidegate.io/load-balancer',
    servicesWithoutClass: null,
    metallbNamespace: null,
    shareAcrossNamespaces: false,
    stateFile: null,
  },
  'manifests',
);

test('addresses are announced from when they are served, and from then on with every change', () => {
  const told: string[] = [];
  const line = (): void => {};
  const log = { debug: line, info: line, warn: line, error: line };
  const planner = new AddressPlanner(ADDRESSES);
  const pipeline = new Pipeline({
    log,
    source: { want: () => true, isProvisional: false },
    translator: createTranslator(OPTIONS),
    addresses: {
      update: (snapshot, role) => planner.plan(snapshot, role),
      givenInCluster: () => assert.fail('there is no cluster'),
    },
    announcing: {
      secretsFor: () => new Set(),
      update: (_, { allocations }) => {
        told.push(`announce ${[...allocations.keys()].join(' ')}`);
        return [];
      },
    },
    control: null,
    problems: new ProblemLog(log),
    dataplane: { hasTable: true, apply: () => told.push('serve') },
  });
  const withServices = (...names: readonly string[]) =>
    snapshotWith([pool('main', '192.0.2.0/24')], {
      version: 1,
      services: byKey(names.map((name) => loadBalancer(name))),
    });
  pipeline.update(withServices('a'));
  assert.deepEqual(told.splice(0), ['serve']);
  pipeline.announce();
  assert.deepEqual(told.splice(0), ['announce ns/a', 'serve']);
  pipeline.update(withServices('a', 'b'));
  assert.deepEqual(told.splice(0), ['announce ns/a ns/b', 'serve']);
  pipeline.stop();
});

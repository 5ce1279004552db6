import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ingress, ingressClass, meta, snapshotOf } from '../../../test/kit/objects.ts';
import { OPTIONS } from '../../../test/kit/translate-options.ts';
import type { IngressClass } from '../../model/snapshot.ts';
import { ownership } from './class.ts';

const FOREIGN = 'k8s.io/ingress-nginx';

function defaultClass(
  name: string,
  creationTimestamp: number,
  controller = OPTIONS.controller,
): IngressClass {
  return ingressClass(name, {
    meta: meta(name, { namespace: '', creationTimestamp }),
    isDefault: true,
    controller,
  });
}

test('of several default classes the newest decides, of equally old ones the first by name', () => {
  const table: [classes: IngressClass[], expected: string][] = [
    [[defaultClass('a', 1), defaultClass('b', 2, FOREIGN)], 'foreign'],
    [[defaultClass('a', 2), defaultClass('b', 1, FOREIGN)], 'ours'],
    [[defaultClass('b', 1, FOREIGN), defaultClass('a', 1)], 'ours'],
    [[ingressClass('a')], 'unclassed'],
    [[], 'unclassed'],
  ];
  for (const [classes, expected] of table) {
    const { ingressClasses } = snapshotOf(classes);
    assert.equal(ownership(ingress('web', { className: null }), ingressClasses, OPTIONS), expected);
  }
});

test('an empty kubernetes.io/ingress.class names no class', () => {
  const annotations = new Map([['kubernetes.io/ingress.class', '']]);
  const web = ingress('web', { className: null, meta: meta('web', { annotations }) });
  const { ingressClasses } = snapshotOf([defaultClass('a', 1)]);
  assert.equal(ownership(web, ingressClasses, OPTIONS), 'ours');
  assert.equal(ownership(web, new Map(), OPTIONS), 'unclassed');
});

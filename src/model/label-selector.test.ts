import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type LabelSelector, matchesAny, matchesLabels } from './label-selector.ts';

const labels = new Map([
  ['app', 'web'],
  ['tier', ''],
]);

describe('a label selector', () => {
  const cases: readonly [name: string, selector: LabelSelector, matches: boolean][] = [
    ['without requirements matches everything', [], true],
    ['In: one of the values', [{ key: 'app', operator: 'In', values: ['api', 'web'] }], true],
    ['In: none of the values', [{ key: 'app', operator: 'In', values: ['api'] }], false],
    ['In: the label is absent', [{ key: 'zone', operator: 'In', values: [''] }], false],
    ['In: the empty value is a value', [{ key: 'tier', operator: 'In', values: [''] }], true],
    ['NotIn: another value', [{ key: 'app', operator: 'NotIn', values: ['api'] }], true],
    ['NotIn: one of the values', [{ key: 'app', operator: 'NotIn', values: ['web'] }], false],
    ['NotIn: the label is absent', [{ key: 'zone', operator: 'NotIn', values: ['a'] }], true],
    ['Exists, even when empty', [{ key: 'tier', operator: 'Exists' }], true],
    ['Exists: the label is absent', [{ key: 'zone', operator: 'Exists' }], false],
    ['DoesNotExist: the label is absent', [{ key: 'zone', operator: 'DoesNotExist' }], true],
    ['DoesNotExist: the label is there', [{ key: 'app', operator: 'DoesNotExist' }], false],
    [
      'every requirement must hold',
      [
        { key: 'app', operator: 'Exists' },
        { key: 'zone', operator: 'Exists' },
      ],
      false,
    ],
  ];
  for (const [name, selector, matches] of cases) {
    test(name, () => assert.equal(matchesLabels(selector, labels), matches));
  }
});

describe('a list of selectors', () => {
  const web: LabelSelector = [{ key: 'app', operator: 'In', values: ['web'] }];
  const api: LabelSelector = [{ key: 'app', operator: 'In', values: ['api'] }];
  test('that is empty matches everything', () => assert.equal(matchesAny([], labels), true));
  test('matches when one of them does', () => assert.equal(matchesAny([api, web], labels), true));
  test('does not match when none does', () => assert.equal(matchesAny([api], labels), false));
});

import { type BgpCommunity, parseCommunity } from '../../model/bgp-community.ts';
import type { Community } from '../../model/metallb.ts';
import type { FilePosition } from '../../model/problem.ts';
import type { Field } from './field.ts';
import { failRepeated } from './label-selector.ts';
import { decodeMeta } from './meta.ts';

const MAX_LIST = 1000;

/** metallb.io/v1beta1 Community. Whether another object has the same names is not known here. */
export function decodeCommunity(object: Field, position: FilePosition | null): Community {
  const fields = object.get('spec').get('communities').list(MAX_LIST);
  const communities = fields.map((field) => ({
    name: field.get('name').text(),
    value: decodeValue(field.get('value')),
  }));
  failRepeated(
    fields.map((field) => field.get('name')),
    communities.map(({ name }) => name),
  );
  return { kind: 'Community', meta: decodeMeta(object, 'namespaced', position), communities };
}

function decodeValue(field: Field): BgpCommunity {
  const text = field.text();
  const value = parseCommunity(text);
  if (value !== null && value !== 'out-of-range') return value;
  if (text !== '')
    field.mustBe(
      'a community like "64512:100" (numbers up to 65535) or "large:64512:1:2" (up to 4294967295)',
    );
  return { kind: 'standard', value: 0 };
}

import type { L2Advertisement } from '../../model/metallb.ts';
import type { FilePosition } from '../../model/problem.ts';
import type { Field } from './field.ts';
import { decodeLabelSelector, decodeLabelSelectors } from './label-selector.ts';
import { decodeMeta } from './meta.ts';
import { decodeNames, decodePoolChoice } from './pool-choice.ts';

const MAX_LIST = 1000;

/** metallb.io/v1beta1 L2Advertisement. */
export function decodeL2Advertisement(object: Field, position: FilePosition | null): L2Advertisement {
  const spec = object.get('spec');
  return {
    kind: 'L2Advertisement',
    meta: decodeMeta(object, 'namespaced', position),
    ...decodePoolChoice(spec),
    nodeSelectors: decodeLabelSelectors(spec.get('nodeSelectors')),
    interfaces: decodeNames(spec.get('interfaces')),
    serviceSelectors: decodeLabelSelectors(spec.get('serviceSelectors')),
    preferredNodeSelectors: spec
      .get('preferredNodeSelectors')
      .list(MAX_LIST)
      .map((field) => ({
        weight: field.get('weight').integer(1, 100),
        preference: decodeLabelSelector(field.get('preference')),
      })),
  };
}

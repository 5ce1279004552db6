import type { PoolChoice } from '../../model/metallb.ts';
import type { Field } from './field.ts';
import { decodeLabelSelectors, failRepeated } from './label-selector.ts';

const MAX_NAMES = 1000;

/** Which pools an advertisement is about. */
export function decodePoolChoice(spec: Field): PoolChoice {
  return {
    ipAddressPools: decodeNames(spec.get('ipAddressPools')),
    ipAddressPoolSelectors: decodeLabelSelectors(spec.get('ipAddressPoolSelectors')),
  };
}

/** A list of names, none of them twice. */
export function decodeNames(field: Field, max = MAX_NAMES): string[] {
  const fields = field.list(max);
  const names = fields.map((name) => name.text());
  failRepeated(fields, names);
  return names;
}

import type { BfdProfile } from '../../model/metallb.ts';
import type { FilePosition } from '../../model/problem.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';

/** metallb.io/v1beta1 BFDProfile, with the defaults of MetalLB and of FRR behind it. */
export function decodeBfdProfile(object: Field, position: FilePosition | null): BfdProfile {
  const spec = object.get('spec');
  return {
    kind: 'BFDProfile',
    meta: decodeMeta(object, 'namespaced', position),
    receiveIntervalMs: spec.get('receiveInterval').integerOr(300, 10, 60_000),
    transmitIntervalMs: spec.get('transmitInterval').integerOr(300, 10, 60_000),
    detectMultiplier: spec.get('detectMultiplier').integerOr(3, 2, 255),
    echoIntervalMs: spec.get('echoInterval').integerOr(50, 10, 60_000),
    echoMode: spec.get('echoMode').booleanOr(false),
    passiveMode: spec.get('passiveMode').booleanOr(false),
    minimumTtl: spec.get('minimumTtl').integerOr(254, 1, 254),
  };
}

import type { FilePosition } from '../../model/problem.ts';
import type { Namespace } from '../../model/snapshot.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';
import { DNS_LABEL } from './syntax.ts';

/** core/v1 Namespace. */
export function decodeNamespace(object: Field, position: FilePosition | null): Namespace {
  return { kind: 'Namespace', meta: decodeMeta(object, 'cluster', position, DNS_LABEL) };
}

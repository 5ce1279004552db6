import type { FilePosition } from '../../model/problem.ts';
import type { ConfigMap } from '../../model/snapshot.ts';
import type { Field } from './field.ts';
import { decodeMeta, textMap } from './meta.ts';
import { checkDataKey, MAX_DATA_BYTES } from './secret.ts';

/** core/v1 ConfigMap; `binaryData` is not used by anything and left out. */
export function decodeConfigMap(object: Field, position: FilePosition | null): ConfigMap {
  const field = object.get('data');
  const data = textMap(field, MAX_DATA_BYTES);
  for (const [key, value] of field.entries(MAX_DATA_BYTES)) checkDataKey(key, value);
  return { kind: 'ConfigMap', meta: decodeMeta(object, 'namespaced', position), data };
}

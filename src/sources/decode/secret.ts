import type { FilePosition } from '../../model/problem.ts';
import { type Secret, SecretBytes } from '../../model/snapshot.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';
import { DATA_KEY } from './syntax.ts';

/** The API server's bound for all of `data` together, in bytes. */
export const MAX_DATA_BYTES = 1024 * 1024;
const MAX_KEYS = 10_000;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** core/v1 Secret. `stringData` wins over `data`, as in the API server. No message ever quotes a value. */
export function decodeSecret(object: Field, position: FilePosition | null): Secret {
  const data = new Map<string, SecretBytes>();
  let bytes = 0;
  const put = (field: Field, decode: (value: Field) => Buffer): void => {
    for (const [key, value] of field.confidential().entries(MAX_KEYS)) {
      checkDataKey(key, value);
      const content = decode(value);
      bytes += content.length;
      data.set(key, new SecretBytes(content));
    }
  };
  put(object.get('data'), decodeBase64);
  put(object.get('stringData'), (value) => Buffer.from(value.freeText(MAX_DATA_BYTES)));
  if (bytes > MAX_DATA_BYTES) {
    object.get('data').fail(`has ${bytes} bytes in all, more than the ${MAX_DATA_BYTES} that are allowed`);
  }
  return {
    kind: 'Secret',
    meta: decodeMeta(object, 'namespaced', position),
    type: object.get('type').textOr('Opaque'),
    data,
  };
}

/** Reports a key that Secrets and ConfigMaps may not have. */
export function checkDataKey(key: string, value: Field): void {
  if (key.length > DATA_KEY.maxLength || !DATA_KEY.test(key))
    value.fail(`its key must be ${DATA_KEY.expected}`);
}

function decodeBase64(field: Field): Buffer {
  if (!field.present) return Buffer.alloc(0);
  const text = field.freeText(MAX_DATA_BYTES * 2).replace(/[\r\n]/g, '');
  if (!BASE64.test(text)) field.fail('must be base64 (plain text belongs in stringData)');
  return Buffer.from(text, 'base64');
}

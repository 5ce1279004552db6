import { objectKey } from '../../model/keys.ts';
import type { FilePosition, ObjectRef } from '../../model/problem.ts';
import type { ObjectMeta } from '../../model/snapshot.ts';
import { type Field, isObject, type Syntax } from './field.ts';
import { DNS_LABEL, DNS_NAME } from './syntax.ts';

export type Scope = 'namespaced' | 'cluster';

/** All keys and values together, as the API server counts them. */
const MAX_ANNOTATION_LENGTH = 256 * 1024;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** Reads `metadata` of `object`. A namespaced object without a namespace is in `default`, as with kubectl. */
export function decodeMeta(
  object: Field,
  scope: Scope,
  position: FilePosition | null,
  nameSyntax: Syntax = DNS_NAME,
): ObjectMeta {
  const field = object.get('metadata');
  const name = field.get('name').text(nameSyntax);
  const namespace = scope === 'cluster' ? '' : field.get('namespace').textOr('default', DNS_LABEL);
  return {
    namespace,
    name,
    key: objectKey(namespace, name),
    labels: textMap(field.get('labels'), MAX_ANNOTATION_LENGTH),
    annotations: textMap(field.get('annotations'), MAX_ANNOTATION_LENGTH),
    creationTimestamp: timestamp(field.get('creationTimestamp')),
    generation: field.get('generation').present
      ? field.get('generation').integer(0, Number.MAX_SAFE_INTEGER)
      : 0,
    uid: field.get('uid').textOr(''),
    position,
  };
}

/** Which object this is, as far as that can be said of one that does not decode; null without kind or name. */
export function identify(value: unknown, scope: Scope): ObjectRef | null {
  if (!isObject(value) || typeof value['kind'] !== 'string' || !isObject(value['metadata'])) return null;
  const { name, namespace } = value['metadata'];
  if (typeof name !== 'string' || name === '' || name.length > DNS_NAME.maxLength) return null;
  if (scope === 'cluster') return { kind: value['kind'], namespace: '', name };
  const given = typeof namespace === 'string' && namespace !== '' && namespace.length <= DNS_LABEL.maxLength;
  return { kind: value['kind'], namespace: given ? namespace : 'default', name };
}

/** A map from text to text of at most `maxLength` characters in all. */
export function textMap(field: Field, maxLength: number): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  let length = 0;
  for (const [key, value] of field.entries(maxLength)) {
    const text = value.freeText(maxLength);
    length += key.length + text.length;
    texts.set(key, text);
  }
  if (length > maxLength)
    field.fail(`has ${length} characters in all, more than the ${maxLength} that are allowed`);
  return texts.size === 0 ? NO_TEXTS : texts;
}

/** Tens of thousands of objects have no labels: they share this. */
const NO_TEXTS: ReadonlyMap<string, string> = new Map();

/** Milliseconds since the epoch; 0 when absent. */
export function timestamp(field: Field): number {
  const text = field.textOr('');
  if (text === '') return 0;
  const milliseconds = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(milliseconds)) return milliseconds;
  field.mustBe('a time like 2026-07-16T12:00:00Z (RFC 3339)');
  return 0;
}

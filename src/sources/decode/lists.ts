import { isObject } from './field.ts';

export const LIST = 'List';
/** Lists inside lists: kubectl makes one level, hostile input any number. */
export const MAX_DEPTH = 4;

/**
 * The objects of a document: its items when it is a `List` or a `<Kind>List`, else itself. Items of a typed list
 * that do not say their kind (the API server leaves it out) get it from the list. A `List` that is too deep, or has
 * something else in the place of its items, is given as it is.
 */
export function* expandLists(value: unknown, depth = 0): Generator<unknown> {
  if (isObject(value) && value['kind'] === LIST && (value['items'] ?? null) === null) return;
  if (
    depth >= MAX_DEPTH ||
    !isObject(value) ||
    !isListKind(value['kind']) ||
    !Array.isArray(value['items'])
  ) {
    yield value;
    return;
  }
  const itemKind = value['kind'].slice(0, -LIST.length);
  for (const item of value['items']) {
    const needsKind = itemKind !== '' && isObject(item) && item['kind'] === undefined;
    // Into the item itself, not a copy: its line in the file is looked up by identity.
    if (needsKind)
      Object.assign(item, { apiVersion: item['apiVersion'] ?? value['apiVersion'], kind: itemKind });
    yield* expandLists(item, depth + 1);
  }
}

function isListKind(kind: unknown): kind is string {
  return typeof kind === 'string' && kind.endsWith(LIST);
}

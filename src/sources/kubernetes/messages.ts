/** What the API server sends, read with care: lists in pages and the lines of a watch. Pure. */
import { type ApiFailure, failure, httpFailure, isRecord } from '../../kubernetes/result.ts';
import { objectKey } from '../../model/keys.ts';
import type { Input, Item } from './list-watch.ts';

/** The answer to a list request. Objects without a name or version are left out: nothing can be done with them. */
export function readPage(body: unknown): (Input & { type: 'page' }) | ApiFailure {
  if (!isRecord(body) || !isRecord(body['metadata'])) return notAList('it has no metadata');
  const { resourceVersion, continue: next } = body['metadata'];
  // An empty list of Go's is null.
  const items = body['items'] ?? [];
  if (typeof resourceVersion !== 'string' || resourceVersion === '')
    return notAList('it has no resourceVersion');
  if (!Array.isArray(items)) return notAList('its items are no list');
  return {
    type: 'page',
    items: items.map(itemOf).filter((item) => item !== null),
    resourceVersion,
    next: typeof next === 'string' && next !== '' ? next : null,
  };
}

/** One line of a watch. */
export function readLine(line: string): Input {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return { type: 'bad-line' };
  }
  if (!isRecord(event) || !isRecord(event['object'])) return { type: 'bad-line' };
  const { type, object } = event as { type?: unknown; object: Record<string, unknown> };
  if (type === 'ERROR') {
    const { code } = object;
    return { type: 'error', failure: httpFailure(typeof code === 'number' ? code : 500, object, undefined) };
  }
  if (type === 'BOOKMARK') {
    const version = isRecord(object['metadata']) ? object['metadata']['resourceVersion'] : undefined;
    if (typeof version !== 'string' || version === '') return { type: 'bad-line' };
    return { type: 'bookmark', resourceVersion: version };
  }
  const item = itemOf(object);
  if (item === null) return { type: 'bad-line' };
  if (type === 'ADDED' || type === 'MODIFIED') return { type: 'changed', item };
  if (type === 'DELETED') return { type: 'deleted', id: item.id, resourceVersion: item.resourceVersion };
  return { type: 'bad-line' };
}

function itemOf(value: unknown): Item | null {
  if (!isRecord(value) || !isRecord(value['metadata'])) return null;
  const { name, namespace, resourceVersion } = value['metadata'];
  if (typeof name !== 'string' || name === '') return null;
  if (typeof resourceVersion !== 'string' || resourceVersion === '') return null;
  return { id: objectKey(typeof namespace === 'string' ? namespace : '', name), resourceVersion, value };
}

function notAList(why: string): ApiFailure {
  return failure('malformed', 'NotAList', `the answer is not a list: ${why}`);
}

import type { Write } from './write-queue.ts';

/**
 * Server-side apply of `body`, all and only what `manager` shall own, over what others have. JSON is YAML. For `key` and
 * `basis` see {@link Write}.
 */
export function applying(key: string, basis: unknown, path: string, body: object, manager: string): Write {
  return {
    key,
    basis,
    request: {
      method: 'PATCH',
      path,
      query: { fieldManager: manager, force: true },
      contentType: 'application/apply-patch+yaml',
      body,
    },
  };
}

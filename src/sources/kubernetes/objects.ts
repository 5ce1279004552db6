/** From JSON of the API server to records of the model, and what changed since it was last asked. */
import { isRecord } from '../../kubernetes/result.ts';
import type { ObjectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import type { AnyObject, Kind } from '../../model/snapshot.ts';
import { decodeObject } from '../decode/all.ts';
import type { Changes } from '../store.ts';
import { apiVersion, type WatchedKind } from './kinds.ts';

type Edit = { readonly kind: Kind; readonly key: ObjectKey; readonly object: AnyObject | null };

export class Objects {
  readonly #edits = new Map<string, Edit>();
  readonly #invalid = new Map<string, readonly Problem[]>();
  /** Null when they are to be collected anew. */
  #problems: readonly Problem[] | null = [];

  get hasChanges(): boolean {
    return this.#edits.size > 0;
  }

  /** Whether there is such an object that could not be decoded. */
  isInvalid(kind: Kind, key: ObjectKey): boolean {
    return this.#invalid.has(`${kind} ${key}`);
  }

  /** What could not be decoded; the same list as before when nothing changed. */
  get problems(): readonly Problem[] {
    this.#problems ??= [...this.#invalid].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, some]) => some);
    return this.#problems;
  }

  /** Takes `value`, which then belongs to us. One that does not decode leaves its last good version in use. */
  put({ kind, resource }: WatchedKind, id: string, value: Record<string, unknown>): void {
    // Items of a list do not say what they are.
    const decoded = decodeObject(slim({ ...value, kind, apiVersion: apiVersion(resource) }), null);
    if (decoded.kind === 'decoded') {
      for (const object of decoded.records) this.#edit({ kind, key: object.meta.key, object });
      this.#setProblems(`${kind} ${id}`, []);
    } else if (decoded.kind === 'invalid') {
      const { object, issues } = decoded;
      const problems = issues.map(({ field, message }): Problem => {
        const text = `${message}; the last good version of the object stays in use, if there is one`;
        return { severity: 'error', reason: 'Invalid', object, field, message: text, position: null };
      });
      this.#setProblems(`${kind} ${id}`, problems);
    }
  }

  remove(kind: Kind, id: string): void {
    this.#edit({ kind, key: id as ObjectKey, object: null });
    this.#setProblems(`${kind} ${id}`, []);
  }

  /** What changed since the last call. */
  takeChanges(): Required<Pick<Changes, 'put' | 'removed'>> {
    const edits = [...this.#edits.values()];
    this.#edits.clear();
    return {
      put: edits.flatMap(({ object }) => (object === null ? [] : [object])),
      removed: edits.filter(({ object }) => object === null),
    };
  }

  #edit(edit: Edit): void {
    this.#edits.set(`${edit.kind} ${edit.key}`, edit);
  }

  #setProblems(id: string, problems: readonly Problem[]): void {
    if (problems.length === 0 && !this.#invalid.has(id)) return;
    if (problems.length === 0) this.#invalid.delete(id);
    else this.#invalid.set(id, problems);
    this.#problems = null;
  }
}

/** What tools leave in every object, as large as the object itself. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function slim(object: Record<string, unknown>): Record<string, unknown> {
  const { metadata } = object;
  if (isRecord(metadata) && isRecord(metadata['annotations'])) delete metadata['annotations'][LAST_APPLIED];
  return object;
}

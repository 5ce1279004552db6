import type { Problem } from '../../model/problem.ts';
import type { AnyObject } from '../../model/snapshot.ts';
import type { Changes } from '../store.ts';
import { duplicateObject, type ManifestFile, type ManifestObject } from './manifest-file.ts';

/**
 * All files of a folder, and which of them each object is taken from: of several that define the same object, the
 * first in the order of paths. Costs per change what the changed files cost, not what all do.
 */
export class ManifestSet {
  readonly #files = new Map<string, ManifestFile>();
  /** The paths that define an object, sorted. */
  readonly #definedIn = new Map<string, string[]>();
  readonly #contested = new Set<string>();
  readonly #withProblems = new Set<string>();
  /** What the last {@link takeChanges} said about each object. */
  readonly #inUse = new Map<string, readonly AnyObject[]>();
  readonly #touched = new Set<string>();
  /** Null when they are to be collected anew. */
  #problems: readonly Problem[] | null = [];

  get(path: string): ManifestFile | undefined {
    return this.#files.get(path);
  }

  /** `file` takes the place of what was known under its path. */
  put(file: ManifestFile): void {
    const before = this.#files.get(file.path);
    this.#files.set(file.path, file);
    this.#noteProblems(before, file);
    if (file.problems.length > 0) this.#withProblems.add(file.path);
    else this.#withProblems.delete(file.path);
    for (const id of before?.objects.keys() ?? []) if (!file.objects.has(id)) this.#forget(id, file.path);
    for (const id of file.objects.keys()) {
      if (!before?.objects.has(id)) this.#add(id, file.path);
      this.#touched.add(id);
    }
  }

  remove(path: string): void {
    const before = this.#files.get(path);
    if (before === undefined) return;
    this.#files.delete(path);
    this.#noteProblems(before, undefined);
    this.#withProblems.delete(path);
    for (const id of before.objects.keys()) this.#forget(id, path);
  }

  /** Whether each object of a file that is known is defined in another one as well. */
  isSpare(path: string): boolean {
    for (const id of this.#files.get(path)?.objects.keys() ?? []) if (!this.#contested.has(id)) return false;
    return true;
  }

  /** What changed since the last call, with all problems there are now. */
  takeChanges(): Required<Pick<Changes, 'put' | 'removed' | 'problems'>> {
    const put: AnyObject[] = [];
    const removed: AnyObject[] = [];
    for (const id of this.#touched) {
      const before = this.#inUse.get(id) ?? [];
      const now = this.#winner(id)?.records ?? [];
      put.push(...now);
      removed.push(...before.filter((old) => !now.some((record) => record.meta.key === old.meta.key)));
      if (now.length > 0) this.#inUse.set(id, now);
      else this.#inUse.delete(id);
    }
    this.#touched.clear();
    this.#problems ??= this.#collectProblems();
    return {
      put,
      removed: removed.map(({ kind, meta }) => ({ kind, key: meta.key })),
      problems: this.#problems,
    };
  }

  #winner(id: string): ManifestObject | undefined {
    const path = this.#definedIn.get(id)?.[0];
    return path === undefined ? undefined : this.#files.get(path)?.objects.get(id);
  }

  /** Thousands of problems are not collected for each change that has nothing to do with them. */
  #noteProblems(before: ManifestFile | undefined, after: ManifestFile | undefined): void {
    const own = (before?.problems.length ?? 0) + (after?.problems.length ?? 0);
    if (own > 0 || this.#contested.size > 0) this.#problems = null;
  }

  #collectProblems(): Problem[] {
    const problems = [...this.#withProblems].flatMap((path) => this.#files.get(path)?.problems ?? []);
    for (const id of this.#contested) {
      const first = this.#winner(id);
      for (const path of this.#definedIn.get(id)?.slice(1) ?? []) {
        const other = this.#files.get(path)?.objects.get(id);
        if (first && other) problems.push(duplicateObject(other, first.position));
      }
    }
    return problems.sort(byPosition);
  }

  #add(id: string, path: string): void {
    const paths = [...(this.#definedIn.get(id) ?? []), path].sort();
    this.#definedIn.set(id, paths);
    if (paths.length < 2) return;
    this.#contested.add(id);
    this.#problems = null;
  }

  #forget(id: string, path: string): void {
    const paths = (this.#definedIn.get(id) ?? []).filter((other) => other !== path);
    if (paths.length === 0) this.#definedIn.delete(id);
    else this.#definedIn.set(id, paths);
    if (paths.length < 2) this.#contested.delete(id);
    this.#touched.add(id);
  }
}

function byPosition(a: Problem, b: Problem): number {
  const [left, right] = [a.position, b.position];
  if (left === null || right === null) return (left === null ? 0 : 1) - (right === null ? 0 : 1);
  if (left.file !== right.file) return left.file < right.file ? -1 : 1;
  return left.document - right.document || left.line - right.line;
}

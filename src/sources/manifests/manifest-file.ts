/** One file's objects, and what stays in use of them when the file gets worse. Pure. */
import type { FilePosition, ObjectRef, Problem } from '../../model/problem.ts';
import { describeObject } from '../../model/problem.ts';
import type { AnyObject } from '../../model/snapshot.ts';
import { type Decoded, decodeObject } from '../decode/all.ts';
import { expandLists } from '../decode/lists.ts';
import { type ManifestDocument, parseManifest } from './documents.ts';

export interface ManifestFile {
  readonly path: string;
  /** By {@link describeObject}. */
  readonly objects: ReadonlyMap<string, ManifestObject>;
  readonly problems: readonly Problem[];
}

export interface ManifestObject {
  readonly object: ObjectRef;
  readonly position: FilePosition;
  readonly records: readonly AnyObject[];
}

/**
 * Reads a file. When a part of it is not YAML, JSON or a Kubernetes object, all objects of `previous`, the same
 * file before, stay as they are (on the first reading: the readable documents count). An object that does not
 * decode keeps what `previous` has for it.
 */
export function readManifest(path: string, text: string, previous: ManifestFile | undefined): ManifestFile {
  const { documents, errors } = parseManifest(text, path.endsWith('.json') ? 'json' : 'yaml');
  const reading = new Reading(path, previous);
  for (const { document, line, message } of errors)
    reading.unreadable({ file: path, document, line }, message);
  for (const document of documents) reading.add(document);
  return reading.finish();
}

/** A file that could not be read at all, like `message` says; the objects of `previous` stay in use. */
export function unreadableManifest(
  path: string,
  message: string,
  previous: ManifestFile | undefined,
): ManifestFile {
  const reading = new Reading(path, previous);
  reading.unreadable({ file: path, document: 1, line: 1 }, message);
  return reading.finish();
}

type Invalid = Extract<Decoded, { kind: 'invalid' }>;

class Reading {
  readonly #path: string;
  readonly #previous: ManifestFile | undefined;
  readonly #objects = new Map<string, ManifestObject>();
  readonly #unreadable: { readonly position: FilePosition; readonly message: string }[] = [];
  readonly #problems: Problem[] = [];

  constructor(path: string, previous: ManifestFile | undefined) {
    this.#path = path;
    this.#previous = previous;
  }

  unreadable(position: FilePosition, message: string): void {
    this.#unreadable.push({ position, message });
  }

  add(document: ManifestDocument): void {
    if (document.value === null) return;
    for (const item of expandLists(document.value)) {
      const position = { file: this.#path, document: document.index, line: document.lineOf(item) };
      const decoded = decodeObject(item, position);
      switch (decoded.kind) {
        case 'ignored':
          break;
        case 'foreign':
          this.unreadable(position, decoded.message);
          break;
        case 'invalid':
          this.#addInvalid(decoded, position);
          break;
        case 'decoded':
          this.#addObject({ object: decoded.object, position, records: decoded.records });
          break;
        default:
          decoded satisfies never;
      }
    }
  }

  finish(): ManifestFile {
    const kept = this.#unreadable.length > 0 && this.#previous ? this.#previous.objects : this.#objects;
    const stays = kept !== this.#objects && kept.size > 0;
    const consequence = stays ? 'the objects of this file stay as they were' : 'it is ignored';
    const unreadable = this.#unreadable.map(
      ({ position, message }): Problem => ({
        severity: 'error',
        reason: 'Unreadable',
        object: null,
        field: '',
        message: `${message}; ${consequence}`,
        position,
      }),
    );
    return { path: this.#path, objects: kept, problems: [...unreadable, ...this.#problems] };
  }

  #addObject(found: ManifestObject): void {
    const id = describeObject(found.object);
    const first = this.#objects.get(id);
    if (first) this.#problems.push(duplicateObject(found, first.position));
    else this.#objects.set(id, found);
  }

  #addInvalid({ object, objectKind, issues }: Invalid, position: FilePosition): void {
    const id = object ? describeObject(object) : '';
    const before = this.#previous?.objects.get(id);
    if (before && !this.#objects.has(id)) this.#objects.set(id, before);
    const ignored = object ? 'the object is ignored' : `this ${objectKind} is ignored`;
    const consequence = before ? 'the last good version of the object stays in use' : ignored;
    for (const { field, message } of issues) {
      const text = `${message}; ${consequence}`;
      this.#problems.push({ severity: 'error', reason: 'Invalid', object, field, message: text, position });
    }
  }
}

/** The problem of an object that is already in use from `first`. */
export function duplicateObject({ object, position }: ManifestObject, first: FilePosition): Problem {
  const message = `is already defined in ${first.file}:${first.line} (document ${first.document}); this one is ignored`;
  return { severity: 'error', reason: 'DuplicateObject', object, field: '', message, position };
}

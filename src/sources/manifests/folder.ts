import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DIRECT, type FileAccess, POOLED } from './file-access.ts';
import { type FileContent, isGone, readTextFile, reasonOf } from './text-file.ts';

/** What became of a path that was looked at. */
export type Finding =
  | FileContent
  /** A folder; what is known of its files stays. */
  | { readonly kind: 'unreadable-folder'; readonly message: string }
  /** A folder whose changes come without notice. */
  | { readonly kind: 'unwatched-folder'; readonly message: string };
export type Findings = ReadonlyMap<string, Finding>;

/** What is known of a change: `moved` came or went in one step, `written` may be half done. */
export type Hint = 'moved' | 'written';

interface Directory {
  readonly path: string;
  /** Device and inode: tells a folder from another that took its name. */
  readonly identity: string;
  readonly watcher: FSWatcher | null;
  readonly files: Set<string>;
  readonly directories: Set<string>;
  /** Names that are symbolic links: what they lead to changes without a notice under their name. */
  readonly links: Set<string>;
}

/** One look: which paths somebody asked for, what is to be read, and what was found. */
interface Look {
  readonly wanted: ReadonlySet<string>;
  /** Whether listing a folder leads on to what is known in it already. */
  readonly deep: boolean;
  readonly access: FileAccess;
  readonly candidates: string[];
  readonly findings: Map<string, Finding>;
}

const MANIFEST = /\.(?:ya?ml|json)$/;
/** Deeper trees are a mistake. */
const MAX_DEPTH = 32;
const READERS = 32;
/** More paths than this are worth the thread pool. */
const MANY = 100;
const NONE: ReadonlySet<string> = new Set();

/**
 * The manifest files below some roots (folders or single files): finds and reads them, and tells through `onHint`
 * which paths deserve another look. Names that start with a dot are left out, but links may lead there: this is how
 * a mounted ConfigMap looks (`web.yaml` → `..data/web.yaml`, `..data` → a dated folder, replaced in one step).
 */
export class Folder {
  readonly #roots: readonly string[];
  readonly #onHint: ((path: string, hint: Hint) => void) | null;
  readonly #directories = new Map<string, Directory>();
  /** The files that are there, with what tells whether they changed since they were read. */
  readonly #signatures = new Map<string, string>();
  /** What {@link lookAgain} has not come to yet. */
  #unchecked: string[] = [];

  /** Without `onHint` nothing is watched. */
  constructor(roots: readonly string[], onHint: ((path: string, hint: Hint) => void) | null) {
    this.#roots = roots;
    this.#onHint = onHint;
  }

  /** A root that is not there (any more), with the reason; null when all are. Hints at those that were replaced. */
  async missingRoot(): Promise<{ readonly path: string; readonly message: string } | null> {
    for (const path of this.#roots) {
      try {
        const { dev, ino } = await DIRECT.stat(path);
        const known = this.#directories.get(path);
        if (known && known.identity !== `${dev}:${ino}`) this.#onHint?.(path, 'moved');
      } catch (error) {
        return { path, message: reasonOf(error) };
      }
    }
    return null;
  }

  /** Looks at everything; reads the files that are new or changed, and those of `wanted`. */
  lookAtAll(wanted: ReadonlySet<string> = NONE): Promise<Findings> {
    return this.#lookAt(this.#roots, newLook(wanted, POOLED));
  }

  /** Looks at one of `turns` parts of all that is known, the next part with each call: finds what came without a hint. */
  lookAgain(turns: number): Promise<Findings> {
    if (this.#unchecked.length === 0) {
      const known = [...this.#roots, ...this.#directories.keys(), ...this.#signatures.keys()];
      this.#unchecked = [...new Set(known)];
    }
    const part = this.#unchecked.splice(-Math.ceil((this.#directories.size + this.#signatures.size) / turns));
    // Of what could not be looked at it is not known whether it is a file.
    const files = part.filter((path) => (this.#signatures.get(path) ?? '') !== '');
    const others = part.filter((path) => (this.#signatures.get(path) ?? '') === '');
    return this.#lookAt(others, { ...newLook(NONE, DIRECT), deep: false, candidates: files });
  }

  /**
   * Looks at some paths: reads the files among them, and lists the folders as {@link lookAtAll} does. Looks at all
   * links too, for one of the paths may be what they lead to.
   */
  lookAt(paths: ReadonlySet<string>): Promise<Findings> {
    const look = newLook(paths, paths.size > MANY ? POOLED : DIRECT);
    return this.#lookAt([...paths, ...this.#links()], look);
  }

  /** Ends all watching. The next look at the roots begins anew, and reports what went away in between. */
  unwatch(): void {
    for (const directory of this.#directories.values()) {
      directory.watcher?.close();
      this.#directories.set(directory.path, { ...directory, watcher: null, identity: '' });
    }
  }

  async #lookAt(paths: Iterable<string>, look: Look): Promise<Findings> {
    for (const path of paths) await this.#examine(path, look);
    const queue = look.candidates.values();
    await Promise.all(Array.from({ length: READERS }, () => this.#read(queue, look)));
    return look.findings;
  }

  #links(): string[] {
    return [...this.#directories.values()].flatMap(({ path, links }) =>
      [...links].map((name) => join(path, name)),
    );
  }

  async #examine(path: string, look: Look): Promise<void> {
    const isRoot = this.#roots.includes(path);
    const parent = isRoot ? undefined : this.#directories.get(dirname(path));
    // A folder that was forgotten in the meantime: whoever forgot it took care of what was in it.
    if (parent === undefined && !isRoot) return;
    try {
      const entry = await look.access.lstat(path);
      if (entry.isSymbolicLink()) parent?.links.add(basename(path));
      const target = entry.isSymbolicLink() ? await look.access.stat(path) : entry;
      if (target.isDirectory()) {
        this.#dropFile(path, parent, look);
        return await this.#enter(path, `${target.dev}:${target.ino}`, parent, look);
      }
      this.#dropDirectory(path, parent, look);
      if (target.isFile() && (isRoot || MANIFEST.test(path))) {
        parent?.files.add(basename(path));
        look.candidates.push(path);
      } else {
        this.#dropFile(path, parent, look);
      }
    } catch (error) {
      if (!isGone(error)) return this.#keep(path, parent, error, look);
      this.#dropDirectory(path, parent, look);
      this.#dropFile(path, parent, look);
    }
  }

  /** A path that is there but cannot be looked at, or not at what it leads to: what is known of it stays. */
  #keep(path: string, parent: Directory | undefined, error: unknown, look: Look): void {
    const message = `cannot be read: ${reasonOf(error)}`;
    if (parent === undefined || this.#directories.has(path)) {
      look.findings.set(path, { kind: 'unreadable-folder', message });
      return;
    }
    const name = basename(path);
    // Notices about a folder name it as if it were in itself: what was only asked for may not be there at all.
    if (look.wanted.has(path) && !this.#signatures.has(path) && !parent.links.has(name)) return;
    parent.files.add(name);
    this.#signatures.set(path, '');
    look.findings.set(path, { kind: 'unreadable', message });
  }

  async #enter(path: string, identity: string, parent: Directory | undefined, look: Look): Promise<void> {
    const depth = this.#depthOf(path, identity);
    if (depth === null) return;
    if (depth > MAX_DEPTH) {
      return this.#keep(path, parent, new Error(`it is more than ${MAX_DEPTH} folders deep`), look);
    }
    let directory = this.#directories.get(path);
    if (directory && directory.identity !== identity) {
      this.#dropDirectory(path, parent, look);
      directory = undefined;
    }
    // Watched before it is listed, so that nothing slips through in between. Being asked for may mean that it was
    // removed and made anew with the same inode, which leaves the watcher deaf.
    if (!directory?.watcher || look.wanted.has(path)) {
      directory?.watcher?.close();
      directory = this.#watch(path, identity, directory, look);
    }
    parent?.directories.add(basename(path));
    await this.#list(directory, look);
  }

  /** How many folders lead to one; null for one that leads to itself through a link. */
  #depthOf(path: string, identity: string): number | null {
    let depth = 0;
    for (let at = path; !this.#roots.includes(at); depth++) {
      at = dirname(at);
      if (this.#directories.get(at)?.identity === identity) return null;
    }
    return depth;
  }

  #watch(path: string, identity: string, before: Directory | undefined, look: Look): Directory {
    let watcher: FSWatcher | null = null;
    try {
      if (this.#onHint) watcher = watch(path);
    } catch (error) {
      // Usually the system's limit, fs.inotify.max_user_watches.
      look.findings.set(path, { kind: 'unwatched-folder', message: reasonOf(error) });
    }
    const { files, directories, links } = before ?? {
      files: new Set(),
      directories: new Set(),
      links: new Set(),
    };
    const directory: Directory = { path, identity, watcher, files, directories, links };
    watcher?.on('change', (event, name) => {
      const text = name?.toString() ?? null;
      // Only manifests are read, so only they can be found half written.
      const written = event === 'change' && text !== null && MANIFEST.test(text);
      this.#onEvent(directory, text, written ? 'written' : 'moved');
    });
    watcher?.on('error', () => this.#onHint?.(path, 'moved'));
    this.#directories.set(path, directory);
    return directory;
  }

  #onEvent({ path, links }: Directory, name: string | null, kind: Hint): void {
    const hint = this.#onHint;
    if (hint === null) return;
    // Without a name events were lost; with the folder's own one, it was itself moved or removed.
    if (name === null || name === basename(path)) hint(path, kind);
    if (name === null) return;
    if (!name.startsWith('.')) hint(join(path, name), kind);
    else for (const link of links) hint(join(path, link), kind);
  }

  async #list(directory: Directory, look: Look): Promise<void> {
    const { path, files, directories, links } = directory;
    const names = new Set<string>();
    try {
      for (const entry of await look.access.list(path)) {
        if (entry.name.startsWith('.')) continue;
        names.add(entry.name);
        const child = join(path, entry.name);
        if (!look.deep && (this.#signatures.has(child) || this.#directories.has(child))) continue;
        if (entry.isFile() && !directories.has(entry.name)) {
          if (!MANIFEST.test(entry.name)) continue;
          files.add(entry.name);
          look.candidates.push(child);
        } else {
          await this.#examine(child, look);
        }
      }
    } catch (error) {
      if (isGone(error)) return;
      look.findings.set(path, { kind: 'unreadable-folder', message: `cannot be read: ${reasonOf(error)}` });
      return;
    }
    for (const name of [...files, ...directories, ...links]) {
      if (names.has(name)) continue;
      links.delete(name);
      this.#dropFile(join(path, name), directory, look);
      this.#dropDirectory(join(path, name), directory, look);
    }
    // Takes back what may have been said about the folder before.
    if (!look.findings.has(path)) look.findings.set(path, { kind: 'gone' });
  }

  async #read(queue: Iterable<string>, look: Look): Promise<void> {
    for (const path of queue) {
      const known = look.wanted.has(path) ? null : (this.#signatures.get(path) ?? null);
      const { signature, content } = await readTextFile(path, known, look.access);
      if (content === null) continue;
      if (content.kind === 'gone') this.#signatures.delete(path);
      else this.#signatures.set(path, signature);
      look.findings.set(path, content);
    }
  }

  #dropFile(path: string, parent: Directory | undefined, look: Look): void {
    parent?.files.delete(basename(path));
    if (this.#signatures.delete(path)) look.findings.set(path, { kind: 'gone' });
  }

  #dropDirectory(path: string, parent: Directory | undefined, look: Look): void {
    parent?.directories.delete(basename(path));
    const directory = this.#directories.get(path);
    if (directory === undefined) return;
    this.#directories.delete(path);
    directory.watcher?.close();
    look.findings.set(path, { kind: 'gone' });
    for (const name of directory.files) this.#dropFile(join(path, name), undefined, look);
    for (const name of directory.directories) this.#dropDirectory(join(path, name), undefined, look);
  }
}

function newLook(wanted: ReadonlySet<string>, access: FileAccess): Look {
  return { wanted, deep: true, access, candidates: [], findings: new Map() };
}

/** The source of objects that is a folder of YAML and JSON files. */
import { stat } from 'node:fs/promises';
import { normalize, sep } from 'node:path';
import type { Problem } from '../../model/problem.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../model/snapshot.ts';
import { Debounce } from '../debounce.ts';
import { createLookup, type Lookup } from '../names/lookup.ts';
import { NameResolver } from '../names/resolver.ts';
import type { Source, Wants } from '../source.ts';
import { nextSnapshot } from '../store.ts';
import { type Finding, type Findings, Folder, type Hint } from './folder.ts';
import { readManifest, unreadableManifest } from './manifest-file.ts';
import { ManifestSet } from './manifest-set.ts';
import { reasonOf } from './text-file.ts';

export interface ManifestsOptions {
  readonly directory: string;
  /** Servers for the names of ExternalName Services, `address` or `address:port`; empty: those of the system. */
  readonly dnsServers: readonly string[];
}

/** A change is taken over when the folder was quiet for this long: a file that is written may be half written, … */
const SETTLE_MS: Readonly<Record<Hint, number>> = { moved: 2, written: 10 };
/** … or this long after its first notice, in a folder that is never quiet. */
const MAX_WAIT_MS = 100;
/** A file that is suddenly empty is usually one that is about to be written, by an editor or `helm template … > FILE`, … */
const EMPTY_GRACE_MS = 2000;
/** … and one that is suddenly gone one that an editor has renamed for its backup. */
const GONE_GRACE_MS = 250;
/** inotify says nothing about a folder that is mounted over, and may lose notices. */
const RESCAN_MS = 30_000;
/** How often some of the files are looked at again: so few that a change need not wait. */
const RESCAN_TURN_MS = 250;

/** A folder that is watched; {@link Source.start} rejects when it is not there. */
export function manifestsSource({ directory, dnsServers }: ManifestsOptions): Source {
  return new ManifestsSource(oneSpelling(directory), createLookup({ servers: dnsServers }));
}

/**
 * The objects of some folders and files as they are now. Names of ExternalName Services are not resolved. Rejects
 * with a message for the user when one of the paths is not there.
 */
export async function readManifests(paths: readonly string[]): Promise<Snapshot> {
  const folder = new Folder(paths.map(oneSpelling), null);
  const missing = await folder.missingRoot();
  if (missing) throw new Error(`${missing.path} cannot be read: ${missing.message}`);
  const files = new ManifestSet();
  for (const [path, finding] of await folder.lookAtAll()) take(files, path, finding);
  return nextSnapshot(EMPTY_SNAPSHOT, files.takeChanges());
}

/** Paths are compared as text: without a slash at the end, `./` or `//`. */
function oneSpelling(path: string): string {
  const plain = normalize(path);
  return plain.length > 1 && plain.endsWith(sep) ? plain.slice(0, -1) : plain;
}

class ManifestsSource implements Source {
  readonly #root: string;
  readonly #folder: Folder;
  readonly isProvisional = false;
  readonly #files = new ManifestSet();
  readonly #names: NameResolver;
  readonly #settled = new Debounce(MAX_WAIT_MS, () => this.#update());
  readonly #timers = new Set<NodeJS.Timeout>();
  /** What was found about files that does not count before its time. */
  readonly #doubted = new Map<string, { readonly finding: Finding; readonly due: number }>();
  #hints = new Set<string>();
  #known = false;
  #rootMissing = false;
  #running: Promise<void> | null = null;
  #closed = false;
  #snapshot = EMPTY_SNAPSHOT;
  #onSnapshot: (snapshot: Snapshot) => void = () => {};

  constructor(directory: string, lookup: Lookup) {
    this.#root = directory;
    this.#folder = new Folder([directory], (path, hint) => this.#hint(path, hint));
    this.#names = new NameResolver(lookup, () => this.#settle('moved'));
  }

  async start(onSnapshot: (snapshot: Snapshot) => void): Promise<void> {
    await requireFolder(this.#root);
    this.#onSnapshot = onSnapshot;
    this.#update();
    await this.#running;
    if (this.#closed) return;
    // An empty folder changes nothing, but the first snapshot is promised.
    if (this.#snapshot === EMPTY_SNAPSHOT) this.#publish({ ...EMPTY_SNAPSHOT, version: 1 });
    this.#timers.add(setInterval(() => this.#rescan(), RESCAN_TURN_MS));
  }

  want({ names }: Wants): boolean {
    this.#names.setNames(names);
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#settled.cancel();
    this.#names.close();
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#running;
    this.#folder.unwatch();
  }

  #hint(path: string, hint: Hint): void {
    if (this.#closed) return;
    this.#hints.add(path);
    this.#settle(hint);
  }

  #settle(hint: Hint): void {
    this.#settled.hint(SETTLE_MS[hint]);
  }

  /** Comes to every file within RESCAN_MS; sees at once when the whole folder goes or is back. */
  #rescan(): void {
    if (this.#closed || this.#running !== null) return;
    this.#run(() =>
      this.#rootMissing ? this.#lookAtHints() : this.#folder.lookAgain(RESCAN_MS / RESCAN_TURN_MS),
    );
  }

  /** Starts an update, or leaves it to the one that runs to be followed by another. */
  #update(): void {
    if (this.#closed) return;
    if (this.#running !== null) this.#settle('moved');
    else this.#run(() => this.#lookAtHints());
  }

  #run(look: () => Promise<Findings>): void {
    this.#running = this.#unlessMissing(look)
      .then((findings) => this.#take(findings))
      .finally(() => {
        this.#running = null;
      });
  }

  async #unlessMissing(look: () => Promise<Findings>): Promise<Findings> {
    const missing = await this.#folder.missingRoot();
    if (missing) {
      // What is known of the files stays: a folder that is unmounted or moved away is hardly meant as "serve nothing".
      if (!this.#rootMissing) this.#folder.unwatch();
      this.#rootMissing = true;
      const problem = folderProblem(
        missing.path,
        'error',
        `is not there any more: ${missing.message}; ${STAYS}`,
      );
      this.#files.put({ path: missing.path, objects: new Map(), problems: [problem] });
      return new Map();
    }
    return look();
  }

  /** Looks at everything when the folder is not known (any more). */
  #lookAtHints(): Promise<Findings> {
    const hints = this.#hints;
    this.#hints = new Set();
    const all = !this.#known || this.#rootMissing;
    this.#known = true;
    this.#rootMissing = false;
    return all ? this.#folder.lookAtAll(hints) : this.#folder.lookAt(hints);
  }

  #take(findings: Findings): void {
    for (const [path, finding] of findings) {
      const grace = graceOf(finding);
      if (grace > 0 && (this.#files.get(path)?.objects.size ?? 0) > 0) this.#doubt(path, finding, grace);
      else {
        this.#doubted.delete(path);
        take(this.#files, path, finding);
      }
    }
    this.#believe();
    if (this.#closed) return;
    const changes = { ...this.#files.takeChanges(), resolvedNames: this.#names.results };
    const next = nextSnapshot(this.#snapshot, changes);
    if (next !== this.#snapshot) this.#publish(next);
  }

  #doubt(path: string, finding: Finding, graceMs: number): void {
    const due = performance.now() + graceMs;
    const before = this.#doubted.get(path)?.due ?? Infinity;
    this.#doubted.set(path, { finding, due: Math.min(due, before) });
    if (before <= due) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closed) this.#settle('moved');
    }, graceMs + 1);
    this.#timers.add(timer);
  }

  /** Takes what was doubted for long enough; what is gone, also when it is found elsewhere (a file was renamed). */
  #believe(): void {
    if (this.#rootMissing) return;
    const now = performance.now();
    for (const [path, { finding, due }] of this.#doubted) {
      if (now < due && !(finding.kind === 'gone' && this.#files.isSpare(path))) continue;
      this.#doubted.delete(path);
      take(this.#files, path, finding);
    }
  }

  #publish(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#onSnapshot(snapshot);
  }
}

const STAYS = 'the objects that were read from it stay in use';

/** For how long a file with objects must stay like this before it loses them. */
function graceOf(finding: Finding): number {
  if (finding.kind === 'gone') return GONE_GRACE_MS;
  return finding.kind === 'text' && finding.text.trim() === '' ? EMPTY_GRACE_MS : 0;
}

function take(files: ManifestSet, path: string, finding: Finding): void {
  switch (finding.kind) {
    case 'text':
      return files.put(readManifest(path, finding.text, files.get(path)));
    case 'unreadable':
      return files.put(unreadableManifest(path, finding.message, files.get(path)));
    case 'gone':
      return files.remove(path);
    case 'unreadable-folder': {
      const problem = folderProblem(path, 'error', `${finding.message}; ${STAYS}`);
      return files.put({ path, objects: new Map(), problems: [problem] });
    }
    case 'unwatched-folder': {
      const message = `cannot be watched (${finding.message}); changes are noticed every ${RESCAN_MS / 1000} s`;
      return files.put({ path, objects: new Map(), problems: [folderProblem(path, 'warning', message)] });
    }
    default:
      return finding satisfies never;
  }
}

function folderProblem(path: string, severity: Problem['severity'], message: string): Problem {
  const position = { file: path, document: 1, line: 1 };
  return { severity, reason: 'Unreadable', object: null, field: '', message, position };
}

async function requireFolder(path: string): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw new Error(`the manifests folder ${path} cannot be read: ${reasonOf(error)}`);
  }
  if (!isFolder) throw new Error(`the manifests folder ${path} is not a folder`);
}

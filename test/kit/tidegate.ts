/** Starts the real program on free loopback ports and watches it from outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { ingressClass, type KubeObject, type ManifestFolder, makeManifestFolder } from './manifests.ts';
import { DEADLINE_MS, eventually, type Scope, within } from './waiting.ts';

const PROGRAM = join(import.meta.dirname, '../../bin/tidegate');

export interface StartOptions {
  /** Written to the file `all.yaml` of the manifest folder before the start, beside the IngressClass. */
  readonly manifests: readonly KubeObject[];
  /** Further flags of `tidegate run`; with `--source` among them the manifest folder is not read. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workers?: 1 | 2;
}

/** A line of the log; the named fields are those that tests ask for. */
export interface LogLine {
  readonly level?: string;
  readonly event?: string;
  readonly addresses?: { readonly http?: readonly string[]; readonly admin?: readonly string[] };
  readonly [field: string]: unknown;
}

export interface Tidegate {
  readonly http: number;
  readonly admin: number;
  readonly folder: ManifestFolder;
  readonly pid: number;
  /** Every JSON line of stdout so far. */
  readonly log: readonly LogLine[];
  /** Waits for a line of the log, also one that was already there. */
  logged(what: string, match: (line: LogLine) => boolean, ms?: number): Promise<LogLine>;
  /** GET on the admin port. */
  get(path: string): Promise<{ readonly status: number; readonly text: string }>;
  /** The generation of the live table. */
  generation(): Promise<number>;
  /** Replaces a manifest file and waits until the table made of it is live. */
  change(file: string, objects: readonly KubeObject[]): Promise<void>;
  /** Resident memory of the whole process in bytes. */
  residentBytes(): Promise<number>;
  signal(signal: NodeJS.Signals): void;
  /** Waits for the process to end. */
  exit(ms?: number): Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

/** Starts `tidegate run` and resolves at its `ready` line; killed at the end of the scope. */
export async function startTidegate(scope: Scope, options: StartOptions): Promise<Tidegate> {
  const folder = await makeManifestFolder(scope);
  await folder.write('ingress-class.yaml', [ingressClass]);
  await folder.write('all.yaml', options.manifests);
  const child = launch(options, folder.path);
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  const output = new ProgramOutput(child.stdout!, child.stderr!);
  scope.after(async () => {
    process.off('exit', killAtExit);
    const diedAlone = child.exitCode !== null && !output.endExpected;
    child.kill('SIGKILL');
    await exited;
    if (diedAlone) throw new Error(`the program ended by itself\n${output.tail()}`);
    const fault = output.lines.find(isFault);
    if (fault) throw new Error(`the program reported a fault of its own: ${JSON.stringify(fault)}`);
  });
  void exited.then(({ code, signal }) => output.fail(`the program ended with ${code ?? signal}`));
  const ready = await output.line('the ready line', (line) => line.event === 'ready');
  const { http, admin } = ready.addresses ?? {};
  return observe(child, exited, output, folder, portOf(http), portOf(admin));
}

/** Whether a line of the log tells of something that no input may cause; what users write wrong is a `problem`. */
const isFault = ({ level, event }: LogLine) =>
  (level === 'error' || level === 'fatal') && event !== 'problem';

function launch(options: StartOptions, folder: string): ChildProcess {
  const { args = [], env = {}, workers = 1 } = options;
  const flags = ['run'];
  if (!args.includes('--source')) flags.push('--source', 'manifests', '--manifests', folder);
  flags.push(
    '--http',
    '127.0.0.1:0',
    '--https',
    'off',
    '--admin',
    '127.0.0.1:0',
    '--workers',
    String(workers),
  );
  if (!args.includes('--access-log')) flags.push('--access-log', 'off');
  const { PATH = '' } = process.env;
  return spawn(PROGRAM, [...flags, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH, ...env } });
}

function observe(
  child: ChildProcess,
  exited: Promise<{ code: number | null; signal: string | null }>,
  output: ProgramOutput,
  folder: ManifestFolder,
  http: number,
  admin: number,
): Tidegate {
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${admin}${path}`, {
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    return { status: response.status, text: await response.text() };
  };
  const generation = async () => {
    const { text } = await get('/config');
    const live = (JSON.parse(text) as { generation?: unknown }).generation;
    if (typeof live !== 'number')
      throw new Error(`/config has no number "generation": ${text.slice(0, 200)}`);
    return live;
  };
  const pid = child.pid!;
  return {
    http,
    admin,
    folder,
    pid,
    log: output.lines,
    logged: (what, match, ms) => output.line(what, match, ms),
    get,
    generation,
    change: async (file, objects) => {
      const before = await generation();
      await folder.write(file, objects);
      await eventually(async () => {
        if ((await generation()) <= before)
          throw new Error(`still generation ${before} after ${file} changed`);
      });
    },
    residentBytes: async () => {
      const kib = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
      if (kib === undefined) throw new Error('no VmRSS');
      return Number(kib) * 1024;
    },
    signal: (signal) => {
      output.endExpected = true;
      child.kill(signal);
    },
    exit: (ms = DEADLINE_MS) => within(exited, 'the program to end', ms),
  };
}

function portOf(addresses: readonly string[] | undefined): number {
  const port = /:(\d+)$/.exec(addresses?.[0] ?? '')?.[1];
  if (port === undefined) throw new Error(`the ready line has no such address: ${JSON.stringify(addresses)}`);
  return Number(port);
}

/** Collects what the program prints. */
class ProgramOutput {
  readonly lines: LogLine[] = [];
  /** Whether the test told the program to end. */
  endExpected = false;
  /** Lines that are not JSON, and everything of stderr. */
  readonly #other: string[] = [];
  readonly #watchers = new Set<() => void>();
  #failure: string | null = null;

  constructor(stdout: Readable, stderr: Readable) {
    createInterface({ input: stdout }).on('line', (text) => this.#read(text));
    createInterface({ input: stderr }).on('line', (text) => this.#other.push(text));
  }

  async line(what: string, match: (line: LogLine) => boolean, ms = DEADLINE_MS): Promise<LogLine> {
    const { promise, resolve, reject } = Promise.withResolvers<LogLine>();
    const watch = () => {
      const found = this.lines.find(match);
      if (found) resolve(found);
      else if (this.#failure !== null) reject(new Error(`${this.#failure} before ${what}\n${this.tail()}`));
    };
    this.#watchers.add(watch);
    watch();
    try {
      return await within(promise, () => `${what}\n${this.tail()}`, ms);
    } finally {
      this.#watchers.delete(watch);
    }
  }

  fail(failure: string): void {
    this.#failure ??= failure;
    // What the program printed last may still be in the pipe.
    setImmediate(() => this.#notify());
  }

  #read(text: string): void {
    try {
      this.lines.push(JSON.parse(text) as LogLine);
    } catch {
      this.#other.push(text);
    }
    this.#notify();
  }

  #notify(): void {
    for (const watch of this.#watchers) watch();
  }

  tail(): string {
    return [...this.lines.slice(-10).map((line) => JSON.stringify(line)), ...this.#other.slice(-20)].join(
      '\n',
    );
  }
}

/** Child processes of a run: pinned to a core, their output in a file, ended by pid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { get as getSecurely } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** The proxy under test has a core to itself; load generator and backend share the other one. */
export const PROXY_CORE = '0';
export const LOAD_CORE = '1';

export interface ProcessSetup {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** As `taskset -c` takes it: `0`, `1`, `0,1`. */
  readonly cores: string;
  /** Standard output goes here; standard error beside it with `.err` appended. */
  readonly output: string;
}

export interface RunningProcess {
  readonly pid: number;
  /** Why it is not running any more; null while it is. */
  exited(): string | null;
  /** SIGTERM, after two seconds SIGKILL; resolves when the process is gone. */
  stop(): Promise<void>;
}

const running = new Set<RunningProcess>();
const directories = new Set<string>();

/** Starts a program on the given cores. Rejects when it cannot be spawned. */
export async function startProcess(setup: ProcessSetup): Promise<RunningProcess> {
  const errors = `${setup.output}.err`;
  const child = spawn('taskset', ['-c', setup.cores, ...setup.argv], {
    stdio: ['ignore', openSync(setup.output, 'a'), openSync(errors, 'a')],
    env: { ...process.env, ...setup.env },
  });
  await once(child, 'spawn');
  const handle: RunningProcess = {
    pid: child.pid!, // set once 'spawn' was emitted
    exited: () => {
      if (child.exitCode === null && child.signalCode === null) return null;
      const text = readFileSync(errors, 'utf8') + readFileSync(setup.output, 'utf8');
      return `${setup.name} ended (${child.signalCode ?? child.exitCode}): ${complaint(text)}`;
    },
    stop: async () => {
      running.delete(handle);
      await endChild(child);
    },
  };
  running.add(handle);
  return handle;
}

/** The line of a program's output that says what is wrong, as well as one can tell. */
function complaint(text: string): string {
  const lines = text.trim().split('\n');
  return (lines.find((line) => /error|alert|emerg|fatal/i.test(line)) ?? lines.at(-1) ?? '').slice(0, 400);
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
  await gone;
  clearTimeout(timer);
}

/** Ends whatever is still running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((handle) => handle.stop()));
}

/** Runs a program to its end and gives its standard output. Rejects on an exit code other than 0. */
export async function runToEnd(argv: readonly string[], cores = LOAD_CORE): Promise<string> {
  const child = spawn('taskset', ['-c', cores, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => errors.push(bytes));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new Error(`${argv.join(' ')} failed (${code}): ${complaint(Buffer.concat(errors).toString())}`);
  return Buffer.concat(output).toString();
}

/** Runs a program of this folder on the Node.js that runs the bench, and parses the JSON it prints. */
export async function runTool<T>(file: URL, args: readonly string[]): Promise<T> {
  return JSON.parse(await runToEnd([process.execPath, file.pathname, ...args])) as T;
}

/** Resolves once `GET origin` is answered with 200; rejects when the process ends first or takes too long. */
export async function waitForAnswer(
  origin: string,
  owner: RunningProcess,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const status = await statusOf(origin);
    if (status === 200) return;
    const reason = owner.exited();
    if (reason !== null) throw new Error(reason);
    if (performance.now() > deadline)
      throw new Error(`${origin} is not ready after ${timeoutMs} ms (status ${status})`);
    await delay(10);
  }
}

/** 0 when there is no answer. Any certificate is good. */
async function statusOf(url: string): Promise<number> {
  const message = url.startsWith('https:')
    ? getSecurely(url, { agent: false, rejectUnauthorized: false })
    : get(url, { agent: false });
  try {
    const [response] = (await once(message, 'response')) as [IncomingMessage];
    response.resume();
    return response.statusCode ?? 0;
  } catch {
    return 0;
  }
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}

/** Runs `use` with a fresh directory and removes it afterwards. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'tidegate-bench-'));
  directories.add(directory);
  try {
    return await use(directory);
  } finally {
    directories.delete(directory);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Ends what runs and removes its directories: the way out, also after Ctrl-C. */
export async function cleanUp(): Promise<void> {
  await stopAll();
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
}

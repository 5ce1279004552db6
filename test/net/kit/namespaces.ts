/** Network namespaces with links between them, all removed at the end of the test. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type Scope, within } from '../../kit/waiting.ts';

let count = 0;

/** Why tests in namespaces cannot run here; false when they can. For `{ skip }` of node:test. */
export function cannotRun(...tools: readonly string[]): string | false {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const missing = tools.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  const name = `tidegate-probe-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name]);
  if (made.status !== 0) return `namespaces cannot be made here: ${made.stderr}`;
  spawnSync('ip', ['netns', 'del', name]);
  return false;
}

/** Runs a command to its end; rejects with its output when it fails. */
export function command(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { encoding: 'utf8', maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr}${stdout}`));
    });
  });
}

export class Namespace {
  /** As `ip netns` knows it. */
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** With loopback up; `label` is for people who look while a test runs. */
  static async make(t: Scope, label: string): Promise<Namespace> {
    const made = new Namespace(`tg${process.pid}-${count++}-${label}`);
    await command('ip', 'netns', 'add', made.name);
    t.after(async () => {
      await command('ip', 'netns', 'del', made.name);
    });
    await made.run('ip', 'link', 'set', 'lo', 'up');
    return made;
  }

  run(program: string, ...args: readonly string[]): Promise<string> {
    return command('ip', 'netns', 'exec', this.name, program, ...args);
  }

  /** A program that lives until the end of the test; `ip netns exec` becomes it, so that signals reach it. */
  start(
    t: Scope,
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
  ): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, program, ...args], { env });
    t.after(() => stop(child));
    return child;
  }
}

/** Ends a program, by force when it does not hear. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await within(ended, `the end of process ${child.pid}`, 5000).catch(async () => {
    child.kill('SIGKILL');
    await ended;
  });
}

/** One end of a link: its namespace, the interface's name there and its addresses with prefix lengths. */
export interface End {
  readonly in: Namespace;
  readonly name: string;
  readonly addresses: readonly string[];
}

/** A cable. */
export async function link(a: End, b: End): Promise<void> {
  await command(
    ...(['ip', 'link', 'add', a.name, 'netns', a.in.name, 'type', 'veth'] as const),
    ...['peer', 'name', b.name, 'netns', b.in.name],
  );
  for (const { in: namespace, name, addresses } of [a, b]) {
    // Duplicate address detection would keep IPv6 addresses unusable for two seconds.
    await namespace.run('sysctl', '-q', '-w', `net.ipv6.conf.${name}.accept_dad=0`);
    for (const address of addresses) {
      const noDad = address.includes(':') ? ['nodad'] : [];
      await namespace.run('ip', 'address', 'add', address, 'dev', name, ...noDad);
    }
    await namespace.run('ip', 'link', 'set', name, 'up');
  }
}

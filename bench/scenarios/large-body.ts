import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { residentBytesOfTree } from '../cpu.ts';
import { singleRoute, writeObjects } from '../manifests.ts';
import { PROXY_CORE } from '../processes.ts';
import { type Context, type Fact, NOTHING, type Scenario } from './scenario.ts';
import { measuresTidegate, type RunningTidegate, startTidegate } from './tidegate-process.ts';

const SERVER = new URL('../backends/bulk-server.ts', import.meta.url).pathname;
const GIB = 1024 ** 3;
/** Slower than either end could be, so that everything between has to wait. */
const BYTES_PER_SECOND = 300_000_000;
const SAMPLE_MS = 100;

export const largeBody: Scenario = {
  name: 'large-body',
  title: 'Memory under a body of 10 GiB',
  description:
    'One body of 10 GiB in each direction through a peer that takes 300 MB/s: how far the resident memory of the whole process grows over what it was after a first gibibyte.',
  run: async (context) => {
    if (!measuresTidegate(context)) return NOTHING;
    const size = context.quick ? 2 * GIB : 10 * GIB;
    const server = spawn(process.execPath, [SERVER, String(BYTES_PER_SECOND)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [port] = (await once(server.stdout, 'data')) as [unknown];
      const proxy = await start(context, Number(port));
      try {
        const facts = [
          await measure('download', proxy, size, download),
          await measure('upload', proxy, size, upload),
        ];
        return { comparisons: [], facts, failures: [] };
      } finally {
        await proxy.stop();
      }
    } finally {
      server.kill();
    }
  },
};

async function start(context: Context, port: number): Promise<RunningTidegate> {
  const manifests = join(context.directory, 'bulk');
  await mkdir(manifests);
  await writeObjects(join(manifests, 'all.json'), singleRoute(port));
  return startTidegate(context, { name: 'bulk', manifests, workers: 1, cores: PROXY_CORE });
}

type Transfer = (origin: string, size: number) => Promise<number>;

async function measure(
  name: string,
  proxy: RunningTidegate,
  size: number,
  transfer: Transfer,
): Promise<Fact> {
  await transfer(proxy.origin, GIB);
  const before = residentBytesOfTree(proxy.pid);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytesOfTree(proxy.pid));
  }, SAMPLE_MS);
  const moved = await transfer(proxy.origin, size).finally(() => clearInterval(timer));
  if (moved !== size) throw new Error(`${name}: ${moved} of ${size} bytes arrived`);
  return {
    name: `Growth during the ${name} of ${size / GIB} GiB (from ${Math.round(before / 2 ** 20)} MiB)`,
    value: (most - before) / 2 ** 20,
    unit: 'MiB',
    atMost: null,
  };
}

async function download(origin: string, size: number): Promise<number> {
  const args = ['-s', '--limit-rate', String(BYTES_PER_SECOND), '-o', '/dev/null', '-w', '%{size_download}'];
  return Number(
    await output(spawn('curl', [...args, `${origin}/${size}`], { stdio: ['ignore', 'pipe', 'inherit'] })),
  );
}

async function upload(origin: string, size: number): Promise<number> {
  const zeros = spawn('head', ['-c', String(size), '/dev/zero'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const args = [
    '-s',
    '-T',
    '-',
    '-H',
    `Content-Length: ${size}`,
    '-H',
    'Transfer-Encoding:',
    '-H',
    'Expect:',
  ];
  const curl = spawn('curl', [...args, `${origin}/`], { stdio: [zeros.stdout, 'pipe', 'inherit'] });
  return Number(await output(curl));
}

async function output(child: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}

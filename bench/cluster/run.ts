/**
 * `node bench/cluster/run.ts [--quick]`: Tidegate with a large cluster of a real API server on this machine. Needs
 * root and `node test/cluster/kubeplane/build.ts`. Prints a table for docs/performance.md and leaves it in
 * bench/results/cluster.md.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { prepareCluster } from '../../test/cluster/kit/binaries.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kit/control-plane.ts';
import { startReplica } from '../../test/cluster/kit/tidegate.ts';
import { startEchoBackend } from '../../test/kit/echo-backend.ts';
import { ingressClass } from '../../test/kit/manifests.ts';
import type { Tidegate } from '../../test/kit/tidegate.ts';
import { type Connection, openConnection } from '../load/connection.ts';
import { median, quantile } from '../statistics.ts';
import { hostOf, makeIngress, populate, type Size } from './objects.ts';

const quick = process.argv.includes('--quick');
const SIZE: Size = quick
  ? { ingresses: 1000, services: 500, endpointsPerService: 4 }
  : { ingresses: 10_000, services: 5000, endpointsPerService: 4 };
const STARTS = quick ? 1 : 5;
const APPLIES = quick ? 20 : 200;
const IDLE_MS = quick ? 10_000 : 60_000;
/** After a start, kinds that the cluster does not have are asked for in growing pauses, up to a minute. */
const SETTLE_MS = quick ? 5000 : 240_000;
const WORKERS = 2;
/** With so many both of two workers have some, nearly always. */
const CONNECTIONS = 8;
const SERVICE_ACCOUNT = 'tidegate-bench';

const cleanUps: (() => void | Promise<void>)[] = [];
const scope = { after: (cleanUp: () => void | Promise<void>) => void cleanUps.push(cleanUp) };
try {
  await main();
} finally {
  for (const cleanUp of cleanUps.reverse()) await Promise.try(cleanUp).catch(console.error);
}

async function main(): Promise<void> {
  const prepared = prepareCluster();
  if ('missing' in prepared) throw new Error(prepared.missing);
  const cluster = await startControlPlane(scope, prepared.binaries);
  const backend = await startEchoBackend(scope, 'backend', '0.0.0.0');
  await cluster.kubectl.apply(ingressClass);
  const seconds = await populate(cluster, SIZE, backend.port);
  console.log(`… ${JSON.stringify(SIZE)} created in ${seconds.toFixed(0)} s`);
  const kubeconfig = await login(cluster);

  const firstTable: number[] = [];
  for (let start = 1; start < STARTS; start++) {
    const { replica, milliseconds, stop } = await startMeasured(cluster, kubeconfig);
    firstTable.push(milliseconds);
    await replica.get('/readyz');
    await stop();
  }
  const { replica, milliseconds } = await startMeasured(cluster, kubeconfig);
  firstTable.push(milliseconds);
  const started = performance.now();
  const peak = await memoryOf(replica.pid, 'VmHWM');
  const live = await measureApplies(cluster, replica);
  const after = await memoryOf(replica.pid, 'VmRSS');
  await delay(Math.max(0, started + SETTLE_MS - performance.now()));
  const idle = await measureIdle(cluster);
  const settled = await memoryOf(replica.pid, 'VmRSS');

  await report([
    ['Start of the process to the first live table, median', `${round(median(firstTable))} ms`, '10,000 ms'],
    ['the same, slowest', `${round(quantile(firstTable, 1))} ms`, ''],
    ['Resident memory of the process, peak until then', mib(peak), '400 MiB'],
    [`the same after ${2 * APPLIES} changes`, mib(after), '400 MiB'],
    [`the same after ${IDLE_MS / 1000} s without changes`, mib(settled), '400 MiB'],
    [
      '`kubectl apply` returned to served by all connections, p50',
      `${round(quantile(live.kubectl, 0.5))} ms`,
      '',
    ],
    ['the same, p99', `${round(quantile(live.kubectl, 0.99))} ms`, '150 ms'],
    ['The API server answered to served by all connections, p50', `${round(quantile(live.api, 0.5))} ms`, ''],
    ['the same, p99', `${round(quantile(live.api, 0.99))} ms`, ''],
    [`Requests to the API server in ${IDLE_MS / 1000} s without changes`, idle, 'no polling'],
  ]);
}

/** A ServiceAccount that may do everything: the API server's audit tells what it asked for. */
async function login(cluster: ControlPlane): Promise<string> {
  const { kubectl } = cluster;
  await kubectl.run(['create', 'serviceaccount', SERVICE_ACCOUNT]);
  const role = ['--clusterrole=cluster-admin', `--serviceaccount=default:${SERVICE_ACCOUNT}`];
  await kubectl.run(['create', 'clusterrolebinding', SERVICE_ACCOUNT, ...role]);
  return (await cluster.serviceAccount('default', SERVICE_ACCOUNT)).kubeconfig;
}

interface Started {
  readonly replica: Tidegate;
  readonly milliseconds: number;
  stop(): Promise<void>;
}

async function startMeasured(cluster: ControlPlane, kubeconfig: string): Promise<Started> {
  const start = performance.now();
  const replica = await startReplica(scope, cluster, { kubeconfig, workers: WORKERS });
  const milliseconds = performance.now() - start;
  console.log(`… first table after ${round(milliseconds)} ms`);
  const stop = async () => {
    replica.signal('SIGTERM');
    await replica.exit();
  };
  return { replica, milliseconds, stop };
}

/** What a replica that has nothing to do asks the API server for. */
async function measureIdle(cluster: ControlPlane): Promise<string> {
  const before = (await cluster.audit()).length;
  await delay(IDLE_MS);
  const counts = new Map<string, number>();
  for (const { verb, objectRef, stage } of (await cluster.audit()).slice(before)) {
    if (verb === 'watch' && stage === 'ResponseComplete') continue;
    const what = `${verb} ${objectRef?.resource ?? ''}`.trim();
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ') || '0';
}

interface Live {
  readonly kubectl: readonly number[];
  readonly api: readonly number[];
}

/** Creates Ingresses one after another, and takes the time until every connection is answered by the new route. */
async function measureApplies(cluster: ControlPlane, replica: Tidegate): Promise<Live> {
  const connections = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => openConnection(replica.http)),
  );
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const path = '/apis/networking.k8s.io/v1/namespaces/default/ingresses';
  const kubectl: number[] = [];
  const api: number[] = [];
  for (let at = 0; at < APPLIES; at++) {
    const byKubectl = SIZE.ingresses + 2 * at;
    await cluster.kubectl.apply(makeIngress(byKubectl, at));
    kubectl.push(await untilLive(connections, hostOf(byKubectl)));
    const byApi = byKubectl + 1;
    const { status } = await cluster.request('POST', path, makeIngress(byApi, at), agent);
    if (status !== 201) throw new Error(`the API server answers ${status}`);
    api.push(await untilLive(connections, hostOf(byApi)));
  }
  agent.destroy();
  for (const { socket } of connections) socket.destroy();
  return { kubectl, api };
}

/** Milliseconds from now until the last of the connections had 200 for `host`. */
async function untilLive(connections: readonly Connection[], host: string): Promise<number> {
  const start = performance.now();
  const poll = async (connection: Connection) => {
    while ((await connection.get(host, '/')).status !== 200) {
      if (performance.now() - start > 30_000) throw new Error(`${host} is not served`);
      await delay(1);
    }
  };
  await Promise.all(connections.map(poll));
  return performance.now() - start;
}

async function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
}

function round(ms: number): string {
  return ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

async function report(rows: readonly (readonly [string, string, string])[]): Promise<void> {
  const { ingresses, services, endpointsPerService } = SIZE;
  const text = [
    `| ${ingresses} Ingresses, ${services} Services, ${services * endpointsPerService} endpoints, ${WORKERS} workers | measured | target (at most) |`,
    '| --- | ---: | ---: |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n');
  const folder = new URL('../results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  await writeFile(new URL('cluster.md', folder), text);
  console.log(`\n${text}`);
}

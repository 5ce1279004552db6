/** Tidegate in front of a fake API server. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeApiServer, type FakeObject, startFakeApiServer } from './fake-api-server.ts';
import { ingressClass, type KubeObject } from './manifests.ts';
import { type HttpsTidegate, startHttps } from './tls.ts';
import { DEADLINE_MS, eventually, type Scope } from './waiting.ts';

export interface FakeCluster {
  readonly api: FakeApiServer;
  /** A temporary folder. */
  readonly folder: string;
  readonly kubeconfig: string;
  put(...objects: readonly KubeObject[]): void;
  /** How many requests of this kind came so far, like `list services`. */
  count(request: string): number;
}

/** A fake API server that holds our IngressClass and `objects`; gone at the end of the scope. */
export async function startFakeCluster(
  scope: Scope,
  objects: readonly KubeObject[] = [],
  user?: object,
): Promise<FakeCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-cluster-'));
  const api = await startFakeApiServer();
  scope.after(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, JSON.stringify(api.kubeconfig(user)));
  const put = (...some: readonly KubeObject[]) => {
    for (const object of some) api.store.put(object as unknown as FakeObject);
  };
  put(ingressClass, ...objects);
  return {
    api,
    folder,
    kubeconfig,
    put,
    count: (wanted) =>
      api.requests.filter(({ verb, resource }) => `${verb} ${resource.plural}` === wanted).length,
  };
}

/** Starts `tidegate run --source kubernetes`; resolves when its first table is live. */
export function startInCluster(
  scope: Scope,
  { kubeconfig }: Pick<FakeCluster, 'kubeconfig'>,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<HttpsTidegate> {
  const source = ['--source', 'kubernetes', '--kubeconfig', kubeconfig];
  return startHttps(scope, { manifests: [], args: [...source, ...args], env });
}

/** The value of a metric; NaN when it is not there. */
export async function metric(proxy: HttpsTidegate, name: string): Promise<number> {
  const { text } = await proxy.get('/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? Number.NaN);
}

/** Waits until a metric has this value. */
export async function untilMetric(
  proxy: HttpsTidegate,
  name: string,
  wanted: number,
  ms = DEADLINE_MS,
): Promise<void> {
  await eventually(async () => {
    const value = await metric(proxy, name);
    if (value !== wanted) throw new Error(`${name} is ${value}, not ${wanted}`);
  }, ms);
}

/** Which cluster, and as whom: from kubeconfig files, or from what Kubernetes puts into a pod. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import {
  type Cluster,
  type Context,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from '@kubernetes/client-node/dist/config_types.js';
import { parse } from 'yaml';

/** Who talks to which server. Paths are absolute. */
export interface ClusterChoice {
  readonly cluster: Cluster;
  readonly user: User | null;
  /** A file with a bearer token that is read again and again, since tokens are replaced. */
  readonly tokenFile: string | null;
  /** Where this program lives: of the context or of the pod. */
  readonly namespace: string;
  /** The files it was read from; empty in a pod. */
  readonly files: readonly string[];
  readonly context: string;
}

export interface ChoiceOptions {
  /** A kubeconfig file; null for what the environment offers. */
  readonly kubeconfig: string | null;
  /** Name of a context in it; null for its current one. */
  readonly context: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where a pod finds its token. */
  readonly serviceAccountDirectory?: string;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * In this order: the given file, the pod's service account, `KUBECONFIG`, `~/.kube/config`. Throws an Error for the
 * user. The parts of the client library that read entries are imported one by one: the library as a whole brings
 * 70 MB of generated classes along.
 */
export async function chooseCluster(options: ChoiceOptions): Promise<ClusterChoice> {
  const { KUBERNETES_SERVICE_HOST: host, KUBECONFIG: listed } = options.environment;
  if (options.kubeconfig !== null) return fromFiles([options.kubeconfig], options.context);
  if (host) return fromPod(host, options);
  const files = (listed ?? '').split(delimiter).filter((file) => file !== '');
  return fromFiles(files.length > 0 ? files : [join(homedir(), '.kube', 'config')], options.context);
}

async function fromPod(host: string, options: ChoiceOptions): Promise<ClusterChoice> {
  const directory = options.serviceAccountDirectory ?? SERVICE_ACCOUNT;
  const { KUBERNETES_SERVICE_PORT: port = '443' } = options.environment;
  const namespace = await readFile(join(directory, 'namespace'), 'utf8').catch(() => 'default');
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const caFile = join(directory, 'ca.crt');
  return {
    cluster: { name: 'in-cluster', server, caFile, skipTLSVerify: false },
    user: null,
    tokenFile: join(directory, 'token'),
    namespace: namespace.trim() || 'default',
    files: [],
    context: 'in-cluster',
  };
}

interface Entries {
  readonly clusters: readonly Cluster[];
  readonly users: readonly User[];
  readonly contexts: readonly Context[];
  readonly tokenFiles: ReadonlyMap<string, string>;
  readonly current: string | null;
}

/** Of several files the first that has an entry wins, as with kubectl. */
async function fromFiles(files: readonly string[], wanted: string | null): Promise<ClusterChoice> {
  const all = await Promise.all(files.map(readEntries));
  const name = wanted ?? all.find(({ current }) => current !== null)?.current ?? null;
  const where = files.join(delimiter);
  if (name === null) throw new Error(`${where} has no current-context: name one`);
  const context = all.flatMap(({ contexts }) => contexts).find((entry) => entry.name === name);
  if (!context) throw new Error(`${where} has no context ${JSON.stringify(name)}`);
  const cluster = all.flatMap(({ clusters }) => clusters).find((entry) => entry.name === context.cluster);
  if (!cluster) throw new Error(`${where} has no cluster ${JSON.stringify(context.cluster)}`);
  if (cluster.proxyUrl) throw new Error(`${where}: proxy-url is not supported: reach the cluster directly`);
  const user = all.flatMap(({ users }) => users).find((entry) => entry.name === context.user) ?? null;
  if (!user && context.user) throw new Error(`${where} has no user ${JSON.stringify(context.user)}`);
  const tokenFile = all.map(({ tokenFiles }) => tokenFiles.get(context.user)).find((file) => file) ?? null;
  return { cluster, user, tokenFile, namespace: context.namespace ?? 'default', files, context: name };
}

async function readEntries(file: string): Promise<Entries> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`the kubeconfig ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  const root = parseFile(file, text);
  const absolute = (path: string | undefined) => (path ? resolve(dirname(file), path) : path);
  try {
    const clusters = newClusters(root['clusters']);
    const users = newUsers(root['users']);
    for (const cluster of clusters) Object.assign(cluster, { caFile: absolute(cluster.caFile) });
    for (const user of users) {
      Object.assign(user, { certFile: absolute(user.certFile), keyFile: absolute(user.keyFile) });
    }
    const current = root['current-context'];
    return {
      clusters,
      users,
      contexts: newContexts(root['contexts']),
      tokenFiles: tokenFilesOf(root['users'], dirname(file)),
      current: typeof current === 'string' && current !== '' ? current : null,
    };
  } catch (error) {
    throw new Error(`the kubeconfig ${file} is not valid: ${(error as Error).message}`);
  }
}

/** The parser's own messages quote the text, which may be a key: only the line is passed on. */
function parseFile(file: string, text: string): Record<string, unknown> {
  let root: unknown;
  try {
    root = parse(text);
  } catch (error) {
    const { linePos } = error as { linePos?: readonly { readonly line: number }[] };
    throw new Error(`the kubeconfig ${file} is not YAML${linePos?.[0] ? ` (line ${linePos[0].line})` : ''}`);
  }
  if (typeof root === 'object' && root !== null) return root as Record<string, unknown>;
  throw new Error(`the kubeconfig ${file} is not valid: it must be a map`);
}

/** `tokenFile` is what kubectl writes; the library reads only `token-file`, and that one once. */
function tokenFilesOf(users: unknown, directory: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of Array.isArray(users) ? users : []) {
    const file = entry?.user?.tokenFile;
    if (typeof file === 'string' && file !== '') files.set(String(entry.name), resolve(directory, file));
  }
  return files;
}

/**
 * etcd, kube-apiserver and kube-controller-manager in one folder, on the fixed ports of a network that is ours alone
 * (`prepareCluster`). No nodes and no Pods: a Service's endpoints are EndpointSlices that the test writes.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, type Scope } from '../../kit/waiting.ts';
import { AUDIT_POLICY, type AuditEvent, readAudit } from './audit.ts';
import type { Binaries } from './binaries.ts';
import { Component } from './component.ts';
import { type ApiAnswer, Kubectl, requestApi, writeKubeconfig } from './kubectl.ts';

const ETCD = 'http://127.0.0.1:2379';
const ETCD_PEER = 'http://127.0.0.1:2380';
export const API_PORT = 6443;
const ADMIN_TOKEN = 'admin-token';
/** Starting on a crowded machine takes a multiple of the usual ten seconds. */
const START_MS = 180_000;

export interface ControlPlaneOptions {
  /** Further flags of kube-apiserver. */
  readonly apiServerFlags?: readonly string[];
}

export interface ControlPlane {
  readonly folder: string;
  /** A kubeconfig of a member of system:masters. */
  readonly kubeconfig: string;
  readonly kubectl: Kubectl;
  readonly apiServer: Component;
  readonly etcd: Component;
  /** Whether Pods, endpoints and namespaces are looked after; a test that needs it skips itself otherwise. */
  readonly hasControllers: boolean;
  /** A request of the administrator's, like `GET`, `/readyz`; on a connection of its own unless an agent is given. */
  request(method: string, path: string, body?: unknown, agent?: Agent): Promise<ApiAnswer>;
  /** Starts the API server again after `apiServer.stop('SIGKILL')`, and waits until it is ready. */
  restartApiServer(): Promise<void>;
  /** The same, and no token of a ServiceAccount made before is valid any more. */
  restartWithNewServiceAccountKey(): Promise<void>;
  /**
   * Makes a kubeconfig that reads a ServiceAccount's token from a file; `renew` mints another one into that file, as
   * the kubelet does for Pods.
   */
  serviceAccount(namespace: string, name: string, server?: string): Promise<ServiceAccountLogin>;
  /** What requests of ServiceAccounts reached the API server so far. */
  audit(): Promise<AuditEvent[]>;
  /** Makes etcd forget all history up to now. */
  compact(): Promise<void>;
}

export interface ServiceAccountLogin {
  readonly kubeconfig: string;
  renew(): Promise<void>;
}

/** Starts all of it; everything is ended and removed at the end of the scope. */
export async function startControlPlane(
  scope: Scope,
  binaries: Binaries,
  { apiServerFlags = [] }: ControlPlaneOptions = {},
): Promise<ControlPlane> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-cluster-'));
  scope.after(() => rm(folder, { recursive: true, force: true }));
  for (const name of ['logs', 'certificates']) mkdirSync(join(folder, name));
  writeServiceAccountKey(folder);
  writeFileSync(join(folder, 'tokens.csv'), `${ADMIN_TOKEN},admin,admin,"system:masters"\n`);
  writeFileSync(join(folder, 'audit-policy.json'), JSON.stringify(AUDIT_POLICY));

  const component = (name: keyof Binaries, flags: readonly string[]) => {
    const made = new Component(name, [...binaries[name], ...flags], join(folder, 'logs', name));
    // Nothing of it is needed afterwards, and an API server takes its time to end politely.
    scope.after(() => made.stop('SIGKILL'));
    return made;
  };
  const ca = join(folder, 'certificates/apiserver.crt');
  const kubeconfig = writeKubeconfig(folder, 'admin', { ca, token: ADMIN_TOKEN });
  const request = (method: string, path: string, body?: unknown, agent?: Agent) =>
    requestApi({ ca, token: ADMIN_TOKEN }, method, path, body, agent);
  const etcd = component('etcd', etcdFlags(folder));
  const apiServer = component('kube-apiserver', [...apiFlags(folder), ...apiServerFlags]);
  const controllers = component('kube-controller-manager', controllerFlags(folder, kubeconfig));

  const ready = () => untilReady(apiServer, request);
  etcd.start();
  apiServer.start();
  await ready();
  const hasControllers = binaries['kube-controller-manager'].length > 0;
  if (hasControllers) controllers.start();
  const kubectl = new Kubectl(binaries.kubectl, folder, kubeconfig);
  const restartApiServer = async () => {
    apiServer.start();
    await ready();
  };
  return {
    folder,
    kubeconfig,
    kubectl,
    apiServer,
    etcd,
    hasControllers,
    request,
    restartApiServer,
    restartWithNewServiceAccountKey: async () => {
      await apiServer.stop('SIGKILL');
      writeServiceAccountKey(folder);
      await restartApiServer();
    },
    serviceAccount: async (namespace, name, server) => {
      const tokenFile = join(folder, `${namespace}-${name}.token`);
      const renew = async () =>
        writeFileSync(tokenFile, (await kubectl.run(['create', 'token', name, '-n', namespace])).trim());
      await renew();
      const login = { ca, tokenFile, ...(server === undefined ? {} : { server }) };
      return { kubeconfig: writeKubeconfig(folder, `${namespace}-${name}`, login), renew };
    },
    audit: () => readAudit(folder),
    compact: compactEtcd,
  };
}

async function untilReady(apiServer: Component, request: ControlPlane['request']): Promise<void> {
  await eventually(async () => {
    if (!apiServer.running) return;
    for (const path of ['/readyz', '/api/v1/namespaces/default']) {
      const { status } = await request('GET', path);
      if (status !== 200) throw new Error(`${path} answers ${status}\n${apiServer.tail()}`);
    }
  }, START_MS);
  if (!apiServer.running) throw new Error(`the API server ended\n${apiServer.tail()}`);
}

function writeServiceAccountKey(folder: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(folder, 'sa.key'), privateKey.export({ type: 'sec1', format: 'pem' }));
  writeFileSync(join(folder, 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
}

const etcdFlags = (folder: string) => [
  `--data-dir=${join(folder, 'etcd')}`,
  `--listen-client-urls=${ETCD}`,
  `--advertise-client-urls=${ETCD}`,
  `--listen-peer-urls=${ETCD_PEER}`,
  `--initial-advertise-peer-urls=${ETCD_PEER}`,
  `--initial-cluster=default=${ETCD_PEER}`,
  '--unsafe-no-fsync=true',
  '--log-level=warn',
];

const apiFlags = (folder: string) => [
  `--etcd-servers=${ETCD}`,
  '--bind-address=127.0.0.1',
  `--secure-port=${API_PORT}`,
  '--advertise-address=10.77.0.1',
  '--endpoint-reconciler-type=none',
  // Without files there it makes a certificate for its addresses, which serves as its own authority.
  `--cert-dir=${join(folder, 'certificates')}`,
  `--token-auth-file=${join(folder, 'tokens.csv')}`,
  '--authorization-mode=RBAC',
  '--anonymous-auth=false',
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${join(folder, 'sa.pub')}`,
  `--service-account-signing-key-file=${join(folder, 'sa.key')}`,
  '--service-cluster-ip-range=10.96.0.0/12',
  `--audit-policy-file=${join(folder, 'audit-policy.json')}`,
  `--audit-log-path=${join(folder, 'audit.log')}`,
  '--profiling=false',
];

const controllerFlags = (folder: string, kubeconfig: string) => [
  `--kubeconfig=${kubeconfig}`,
  `--authentication-kubeconfig=${kubeconfig}`,
  `--authorization-kubeconfig=${kubeconfig}`,
  '--secure-port=0',
  '--leader-elect=false',
  `--service-account-private-key-file=${join(folder, 'sa.key')}`,
  `--root-ca-file=${join(folder, 'certificates/apiserver.crt')}`,
  // Those that act without nodes; the others would only use the processor.
  `--controllers=${[
    'deployment-controller',
    'replicaset-controller',
    'endpointslice-controller',
    'endpointslice-mirroring-controller',
    'endpoints-controller',
    'namespace-controller',
    'serviceaccount-controller',
    'root-ca-certificate-publisher-controller',
    'garbage-collector-controller',
  ].join(',')}`,
  '--kube-api-qps=200',
  '--kube-api-burst=400',
];

/** Through etcd's JSON gateway: the tool for it is one program more. */
async function compactEtcd(): Promise<void> {
  const call = async (path: string, body: unknown) => {
    const response = await fetch(`${ETCD}${path}`, { method: 'POST', body: JSON.stringify(body) });
    const answer = (await response.json()) as { header?: { revision?: string } };
    if (!response.ok) throw new Error(`etcd: ${JSON.stringify(answer)}`);
    return answer;
  };
  const { header } = await call('/v3/maintenance/status', {});
  await call('/v3/kv/compaction', { revision: header?.revision, physical: true });
}

/** Kubernetes objects with good defaults, and the folder they are written to. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Scope } from './waiting.ts';

export type KubeObject = Readonly<Record<string, unknown>>;

/** The IngressClass that Tidegate serves; `startTidegate` writes it to a file of its own. */
export const ingressClass: KubeObject = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'tidegate' },
  spec: { controller: 'tidegate.io/ingress-controller' },
};

export interface PathRule {
  readonly path: string;
  readonly service: string;
  readonly pathType?: 'Exact' | 'Prefix' | 'ImplementationSpecific';
}

/** An Ingress `default/<name>` of one host (`''` for any); every backend is port 80 of its Service. */
export function ingress(name: string, host: string, paths: readonly PathRule[]): KubeObject {
  const http = {
    paths: paths.map(({ path, service, pathType = 'Prefix' }) => ({
      path,
      pathType,
      backend: { service: { name: service, port: { number: 80 } } },
    })),
  };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'default' },
    spec: { ingressClassName: 'tidegate', rules: [host === '' ? { http } : { host, http }] },
  };
}

/** A Service `default/<name>` with port 80, and its endpoints: one slice for each, as their ports differ. */
export function service(name: string, endpointPorts: readonly number[], address = '127.0.0.1'): KubeObject[] {
  const object: KubeObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  };
  return [object, ...endpointPorts.map((port, index) => endpointSlice(name, index, port, address))];
}

function endpointSlice(name: string, index: number, port: number, address: string): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${index}`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    ports: [{ port, protocol: 'TCP' }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  };
}

/** The same objects, whose Services say what they speak (`appProtocol`). */
export function speaking(appProtocol: string, objects: readonly KubeObject[]): KubeObject[] {
  return objects.map((object) => {
    if (object['kind'] !== 'Service') return object;
    const spec = object['spec'] as { readonly ports: readonly object[] };
    return { ...object, spec: { ...spec, ports: spec.ports.map((port) => ({ ...port, appProtocol })) } };
  });
}

/** The objects that send everything for `host` to one port of 127.0.0.1. */
export function routeAll(host: string, port: number): KubeObject[] {
  const name = host === '' ? 'any' : host.replaceAll('.', '-').replaceAll('*', 'star');
  return [ingress(name, host, [{ path: '/', service: name }]), ...service(name, [port])];
}

/** A temporary folder of manifests whose files change atomically. */
export class ManifestFolder {
  readonly path: string;
  readonly #spare: string;
  #writes = 0;

  constructor(path: string, spare: string) {
    this.path = path;
    this.#spare = spare;
  }

  /** Replaces `file` by these objects, as a multi-document YAML file. */
  async write(file: string, objects: readonly KubeObject[]): Promise<void> {
    await this.writeText(file, objects.map((object) => stringify(object)).join('---\n'));
  }

  async writeText(file: string, text: string): Promise<void> {
    const draft = join(this.#spare, `draft-${this.#writes++}`);
    await writeFile(draft, text);
    await rename(draft, join(this.path, file));
  }

  async remove(file: string): Promise<void> {
    await rm(join(this.path, file));
  }
}

/** Makes an empty manifest folder, removed at the end of the scope. */
export async function makeManifestFolder(scope: Scope): Promise<ManifestFolder> {
  const root = await mkdtemp(join(tmpdir(), 'tidegate-test-'));
  scope.after(() => rm(root, { recursive: true, force: true }));
  const path = join(root, 'manifests');
  await mkdir(path);
  return new ManifestFolder(path, root);
}

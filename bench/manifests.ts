/** Kubernetes objects for the scenarios, as JSON (what an API server would send). */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const INGRESSES_PER_FOLDER = 100;
const SERVICES = 1000;

export const PATHS_PER_HOST = 10;

export type KubernetesObject = Readonly<Record<string, unknown>>;

/** The host of Ingress number `index`; wrk.lua builds the same names. */
export function hostName(index: number): string {
  return `host-${index}.bench.test`;
}

/** One Ingress for any host and path; the Service says what it speaks where that is not HTTP. */
export function singleRoute(upstream: number, appProtocol: string | null = null): KubernetesObject[] {
  const backend = service('backend', upstream, appProtocol === null ? {} : { appProtocol });
  return [ingressClass(), ingress('all', null, ['/'], 'backend'), ...backend];
}

/** The same for the requests to one host, with a certificate (PEM) for it. */
export function singleRouteWithTls(
  upstream: number,
  host: string,
  files: { readonly certificate: Buffer; readonly key: Buffer },
  appProtocol: string | null = null,
): KubernetesObject[] {
  const data = { 'tls.crt': files.certificate.toString('base64'), 'tls.key': files.key.toString('base64') };
  const metadata = { name: 'certificate', namespace: 'bench' };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', data };
  const tls = [{ hosts: [host], secretName: metadata.name }];
  return [
    ingressClass(),
    secret,
    ingress('all', host, ['/'], 'backend', { tls }),
    ...service('backend', upstream, appProtocol === null ? {} : { appProtocol }),
  ];
}

/** Writes `count` Ingresses of ten paths each, a file each, over 1,000 Services that all lead to `upstream`. */
export async function writeManyIngresses(directory: string, count: number, upstream: number): Promise<void> {
  const services = Array.from({ length: SERVICES }, (_, index) =>
    service(`service-${index}`, upstream),
  ).flat();
  await writeObjects(join(directory, 'services.json'), [ingressClass(), ...services]);
  for (let index = 0; index < count; index++) {
    if (index % INGRESSES_PER_FOLDER === 0) await mkdir(folder(directory, index));
    await writeObjects(ingressFile(directory, index), [hostIngress(index, `service-${index % SERVICES}`)]);
  }
}

/** Where {@link writeManyIngresses} puts Ingress number `index`. */
export function ingressFile(directory: string, index: number): string {
  return join(folder(directory, index), `${index}.json`);
}

function folder(directory: string, index: number): string {
  return join(directory, `ingresses-${Math.floor(index / INGRESSES_PER_FOLDER)}`);
}

/** Ingress number `index`: `/path-N` as prefixes, so `/path-3/page` belongs to the fourth. */
export function hostIngress(index: number, backend: string): KubernetesObject {
  const paths = Array.from({ length: PATHS_PER_HOST }, (_, path) => `/path-${path}`);
  return ingress(`ingress-${index}`, hostName(index), paths, backend);
}

/** An Ingress in the class of {@link ingressClass}; without a host, for any. */
function ingress(
  name: string,
  host: string | null,
  paths: readonly string[],
  backend: string,
  more: KubernetesObject = {},
): KubernetesObject {
  const http = {
    paths: paths.map((path) => ({
      path,
      pathType: 'Prefix',
      backend: { service: { name: backend, port: { number: 80 } } },
    })),
  };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'bench' },
    spec: { ingressClassName: 'tidegate', rules: [host === null ? { http } : { host, http }], ...more },
  };
}

/** A Service with one endpoint on loopback. */
export function service(name: string, port: number, more: KubernetesObject = {}): KubernetesObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'bench' },
      spec: { ports: [{ name: 'http', port: 80, targetPort: port, ...more }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace: 'bench', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port, protocol: 'TCP' }],
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    },
  ];
}

function ingressClass(): KubernetesObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name: 'tidegate' },
    spec: { controller: 'tidegate.io/ingress-controller' },
  };
}

/** Replaces the file in one step, as a configuration tool does: written beside it, then renamed. */
export async function writeObjects(file: string, objects: readonly KubernetesObject[]): Promise<void> {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

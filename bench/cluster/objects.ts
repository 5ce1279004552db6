/** The cluster that is measured: how many objects of which shape, and how they get into the API server. */
import { Agent } from 'node:https';
import type { ControlPlane } from '../../test/cluster/kit/control-plane.ts';
import type { KubeObject } from '../../test/kit/manifests.ts';

export interface Size {
  readonly ingresses: number;
  readonly services: number;
  readonly endpointsPerService: number;
}

const NAMESPACE = 'default';
const CONCURRENT = 12;

const name = (service: number) => `service-${service}`;

export const hostOf = (ingress: number) => `host-${ingress}.cluster.test`;

/** An Ingress of one host and two paths, as it is in most clusters. */
export function makeIngress(index: number, service: number): KubeObject {
  const backend = { service: { name: name(service), port: { number: 80 } } };
  const paths = ['/', '/api'].map((path) => ({ path, pathType: 'Prefix', backend }));
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name: `ingress-${index}`,
      namespace: NAMESPACE,
      labels: { 'app.kubernetes.io/name': `app-${index}`, 'app.kubernetes.io/managed-by': 'bench' },
      annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '120' },
    },
    spec: { ingressClassName: 'tidegate', rules: [{ host: hostOf(index), http: { paths } }] },
  };
}

function makeService(index: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: name(index), namespace: NAMESPACE },
    spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] },
  };
}

/** Its endpoints have addresses of 10.77.0.0/16 which are all local, so one backend on `port` serves for all. */
function makeSlice(index: number, endpoints: number, port: number): KubeObject {
  const address = (at: number) => {
    const host = 256 + index * endpoints + at;
    return `10.77.${host >> 8}.${host & 255}`;
  };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name(index)}-x`,
      namespace: NAMESPACE,
      labels: { 'kubernetes.io/service-name': name(index) },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, at) => ({
      addresses: [address(at)],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${at}`,
      targetRef: { kind: 'Pod', namespace: NAMESPACE, name: `${name(index)}-${at}` },
    })),
  };
}

/** Creates everything; gives the seconds it took. */
export async function populate(cluster: ControlPlane, size: Size, port: number): Promise<number> {
  const start = performance.now();
  const { ingresses, services, endpointsPerService } = size;
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENT });
  const path = {
    services: `/api/v1/namespaces/${NAMESPACE}/services`,
    slices: `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`,
    ingresses: `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/ingresses`,
  };
  const create = async (path: string, object: KubeObject) => {
    const { status, body } = await cluster.request('POST', path, object, agent);
    if (status !== 201) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
  };
  await each(services, (index) => create(path.services, makeService(index)));
  await each(services, (index) => create(path.slices, makeSlice(index, endpointsPerService, port)));
  await each(ingresses, (index) => create(path.ingresses, makeIngress(index, index % services)));
  agent.destroy();
  return (performance.now() - start) / 1000;
}

/** Calls `work` for 0 … count - 1, some at a time. */
async function each(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: CONCURRENT }, lane));
}

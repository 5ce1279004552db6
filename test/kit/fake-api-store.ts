/** The objects of the fake API server, their versions and their history. */

export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

export interface FakeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly uid?: string;
    readonly generation?: number;
    readonly creationTimestamp?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: Resource;
  readonly version: number;
  readonly object: FakeObject;
}

interface WriteRequest {
  readonly verb: string;
  readonly resource: Resource;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: unknown;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Json = { readonly [field: string]: unknown };

const KINDS: Readonly<Record<string, string>> = {
  Ingress: 'networking.k8s.io/v1/ingresses',
  IngressClass: 'networking.k8s.io/v1/ingressclasses',
  Service: '/v1/services',
  EndpointSlice: 'discovery.k8s.io/v1/endpointslices',
  Secret: '/v1/secrets',
  ConfigMap: '/v1/configmaps',
  Namespace: '/v1/namespaces',
  Node: '/v1/nodes',
  Event: 'events.k8s.io/v1/events',
  Lease: 'coordination.k8s.io/v1/leases',
  CustomResourceDefinition: 'apiextensions.k8s.io/v1/customresourcedefinitions',
  ValidatingWebhookConfiguration: 'admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
};
const METALLB: Readonly<Record<string, string>> = {
  IPAddressPool: 'metallb.io/v1beta1/ipaddresspools',
  L2Advertisement: 'metallb.io/v1beta1/l2advertisements',
  BGPAdvertisement: 'metallb.io/v1beta1/bgpadvertisements',
  BGPPeer: 'metallb.io/v1beta2/bgppeers',
  Community: 'metallb.io/v1beta1/communities',
  BFDProfile: 'metallb.io/v1beta1/bfdprofiles',
};
const CLUSTER_SCOPED = new Set([
  'IngressClass',
  'Namespace',
  'Node',
  'CustomResourceDefinition',
  'ValidatingWebhookConfiguration',
]);

export class FakeStore {
  readonly #onEvent: (event: StoreEvent) => void;
  readonly #objects = new Map<string, FakeObject>();
  #history: StoreEvent[] = [];
  #version = 100;
  #compacted = 0;
  #uids = 0;
  readonly #pages = new Map<string, { readonly items: readonly FakeObject[]; readonly version: number }>();
  readonly #served = new Set(Object.values(KINDS));

  constructor(onEvent: (event: StoreEvent) => void) {
    this.#onEvent = onEvent;
  }

  get resourceVersion(): number {
    return this.#version;
  }

  serves({ group, version, plural }: Resource): boolean {
    return this.#served.has(`${group}/${version}/${plural}`);
  }

  /** From now on the kinds of metallb.io are there, as if their CustomResourceDefinitions had been applied. */
  installMetalLb(): void {
    for (const [, path] of Object.entries(METALLB)) {
      this.#served.add(path);
      const [group, , plural] = path.split('/');
      const metadata = { name: `${plural}.${group}` };
      this.put({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata });
    }
  }

  /** Creates the object or puts it in the place of the one with its name. */
  put(object: FakeObject): FakeObject {
    const resource = resourceOf(object.kind);
    const namespace = CLUSTER_SCOPED.has(object.kind) ? '' : (object.metadata.namespace ?? 'default');
    const key = keyOf(resource, namespace, object.metadata.name);
    const before = this.#objects.get(key);
    return this.#store(resource, key, {
      ...object,
      metadata: { ...object.metadata, ...(namespace !== '' && { namespace }), ...kept(before) },
    });
  }

  /** By `namespace/name`, or `name` for cluster-scoped kinds. */
  remove(kind: string, id: string): void {
    const resource = resourceOf(kind);
    const [namespace, name] = id.includes('/') ? (id.split('/') as [string, string]) : ['', id];
    this.#delete(resource, keyOf(resource, namespace, name));
  }

  get(kind: string, id: string): FakeObject | undefined {
    const [namespace, name] = id.includes('/') ? (id.split('/') as [string, string]) : ['', id];
    return this.#objects.get(keyOf(resourceOf(kind), namespace, name));
  }

  all(): FakeObject[] {
    return [...this.#objects.values()];
  }

  /** Forgets the past, as etcd does at a compaction: older versions and continue tokens are gone. */
  compact(): void {
    this.#compacted = this.#version;
    this.#history = [];
    this.#pages.clear();
  }

  /** As after a restore from an old backup: the same objects, but versions count from `version` again. */
  setBack(version: number): void {
    this.#version = version;
    this.#history = [];
    this.#compacted = 0;
    this.#pages.clear();
    for (const [key, object] of this.#objects) {
      const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
      this.#objects.set(key, { ...object, metadata });
    }
  }

  /** Events after `version`; null when they are forgotten. */
  since(version: number): StoreEvent[] | null {
    if (version < this.#compacted) return null;
    return this.#history.filter((event) => event.version > version);
  }

  page(
    resource: Resource,
    namespace: string,
    token: string | null,
    size: number,
  ): { items: readonly FakeObject[]; resourceVersion: string; next: string | null } | null {
    const fresh = { items: this.#select(resource, namespace), version: this.#version };
    const list = token === null ? fresh : this.#pages.get(token);
    if (list === undefined) return null;
    const items = list.items.slice(0, size);
    const rest = list.items.slice(items.length);
    const next = rest.length === 0 ? null : `token-${++this.#uids}`;
    if (next !== null) this.#pages.set(next, { items: rest, version: list.version });
    return { items, resourceVersion: String(list.version), next };
  }

  execute(request: WriteRequest): Answer {
    const { verb, resource, namespace } = request;
    const body = request.body as FakeObject | null;
    const name = request.name || (body?.metadata.name ?? '');
    const key = keyOf(resource, namespace, name);
    const before = this.#objects.get(key);
    if (verb === 'create') {
      if (before !== undefined) return refused(409, 'AlreadyExists', `"${name}" already exists`);
      return { status: 201, body: this.#store(resource, key, inNamespace(body!, namespace)) };
    }
    const isApply = request.contentType.startsWith('application/apply-patch');
    if (verb === 'patch' && isApply && before === undefined && request.subresource === '') {
      return { status: 201, body: this.#store(resource, key, inNamespace(body!, namespace)) };
    }
    if (before === undefined) return refused(404, 'NotFound', `"${name}" not found`);
    if (verb === 'get') return { status: 200, body: before };
    if (verb === 'delete') return { status: 200, body: this.#delete(resource, key) };
    const wanted = body?.metadata?.resourceVersion;
    if (wanted !== undefined && wanted !== before.metadata.resourceVersion) {
      return refused(409, 'Conflict', 'the object has been modified');
    }
    const uid = body?.metadata?.uid;
    if (uid !== undefined && uid !== before.metadata.uid) {
      return refused(409, 'Conflict', 'Precondition failed: UID in precondition');
    }
    if (isApply && request.subresource === 'status') {
      const manager = request.query.get('fieldManager') ?? '';
      return { status: 200, body: this.#store(resource, key, withAppliedStatus(before, body!, manager)) };
    }
    const full = verb === 'update' ? (body as FakeObject) : (merge(before, body as Json) as FakeObject);
    const after =
      request.subresource === 'status'
        ? { ...before, status: full['status'] }
        : { ...full, ...('status' in before && { status: before['status'] }) };
    const metadata = { ...full.metadata, ...kept(before), ...(namespace !== '' && { namespace }) };
    return { status: 200, body: this.#store(resource, key, { ...after, metadata } as FakeObject) };
  }

  #select(resource: Resource, namespace: string): FakeObject[] {
    const prefix = `${resource.group}/${resource.plural} ${namespace === '' ? '' : `${namespace}/`}`;
    return [...this.#objects]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  #store(resource: Resource, key: string, object: FakeObject): FakeObject {
    const before = this.#objects.get(key);
    if (before !== undefined && isSameContent(before, object)) return before;
    const version = ++this.#version;
    const changed = JSON.stringify(before?.['spec']) !== JSON.stringify(object['spec']);
    const stored: FakeObject = {
      ...object,
      metadata: {
        uid: `uid-${++this.#uids}`,
        creationTimestamp: '2026-07-16T12:00:00Z',
        ...object.metadata,
        generation: (before?.metadata.generation ?? 0) + (changed || before === undefined ? 1 : 0),
        resourceVersion: String(version),
      },
    };
    this.#objects.set(key, stored);
    this.#tell({ type: before === undefined ? 'ADDED' : 'MODIFIED', resource, version, object: stored });
    return stored;
  }

  #delete(resource: Resource, key: string): FakeObject | undefined {
    const before = this.#objects.get(key);
    if (before === undefined) return undefined;
    this.#objects.delete(key);
    const version = ++this.#version;
    const metadata = { ...before.metadata, resourceVersion: String(version) };
    this.#tell({ type: 'DELETED', resource, version, object: { ...before, metadata } });
    return before;
  }

  #tell(event: StoreEvent): void {
    this.#history.push(event);
    this.#onEvent(event);
  }
}

/** As server-side apply: what a manager applies is its own, and what it leaves out afterwards goes. */
function withAppliedStatus(before: FakeObject, applied: FakeObject, manager: string): FakeObject {
  const managers = (before.metadata['managedFields'] ?? []) as readonly Json[];
  const isOwn = (entry: Json) => entry['manager'] === manager && entry['subresource'] === 'status';
  const others = managers.filter((entry) => !isOwn(entry));
  const hasStatus = applied['status'] !== undefined;
  const own = hasStatus ? [{ manager, operation: 'Apply', subresource: 'status' }] : [];
  const { status: present, ...rest } = before;
  const status = hasStatus ? applied['status'] : managers.some(isOwn) ? undefined : present;
  return {
    ...rest,
    ...(status !== undefined && { status }),
    metadata: { ...before.metadata, managedFields: [...others, ...own] },
  } as FakeObject;
}

function resourceOf(kind: string): Resource {
  const path = KINDS[kind] ?? METALLB[kind];
  if (path === undefined) throw new Error(`the fake API server does not know ${kind}`);
  const [group = '', version = '', plural = ''] = path.split('/');
  return { group, version, plural };
}

function keyOf({ group, plural }: Resource, namespace: string, name: string): string {
  return `${group}/${plural} ${namespace === '' ? name : `${namespace}/${name}`}`;
}

function kept(before: FakeObject | undefined): object {
  if (before === undefined) return {};
  const { uid, creationTimestamp } = before.metadata;
  return { uid, creationTimestamp };
}

function inNamespace(object: FakeObject, namespace: string): FakeObject {
  return namespace === '' ? object : { ...object, metadata: { ...object.metadata, namespace } };
}

/** A write that changes nothing makes no version. */
function isSameContent(before: FakeObject, after: FakeObject): boolean {
  const bare = ({ metadata, ...rest }: FakeObject) => {
    const { resourceVersion: _, generation: __, uid: ___, creationTimestamp: ____, ...own } = metadata;
    return JSON.stringify({ ...rest, metadata: own });
  };
  return bare(before) === bare(after);
}

function refused(code: number, reason: string, message: string): Answer {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message },
  };
}

/** RFC 7396: null removes, maps are merged, all else is replaced. Server-side apply is done the same way here. */
function merge(before: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch;
  const result: Record<string, unknown> = isMap(before) ? { ...before } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = merge(result[field], value);
  }
  return result;
}

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

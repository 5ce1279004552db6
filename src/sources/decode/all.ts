/** The list of kinds that are understood, and the way from a JSON value to records of the model. */
import type { FilePosition, ObjectRef } from '../../model/problem.ts';
import type { AnyObject } from '../../model/snapshot.ts';
import { decodeBfdProfile } from './bfd-profile.ts';
import { decodeBgpAdvertisement } from './bgp-advertisement.ts';
import { decodeBgpPeer } from './bgp-peer.ts';
import { decodeCommunity } from './community.ts';
import { decodeConfigMap } from './config-map.ts';
import { decodeEndpointSlice } from './endpoint-slice.ts';
import { decodeEndpoints } from './endpoints.ts';
import { Field, type Issue, isObject } from './field.ts';
import { decodeIngress } from './ingress.ts';
import { decodeIngressClass } from './ingress-class.ts';
import { decodeIpAddressPool } from './ip-address-pool.ts';
import { decodeL2Advertisement } from './l2-advertisement.ts';
import { LIST, MAX_DEPTH } from './lists.ts';
import { identify, type Scope } from './meta.ts';
import { decodeNamespace } from './namespace.ts';
import { decodeNode } from './node.ts';
import { decodeSecret } from './secret.ts';
import { decodeService } from './service.ts';

interface KindDecoder {
  /** The group, '' for core, and versions that are understood, the best one first. */
  readonly group: string;
  readonly versions: readonly [string, ...string[]];
  /** Groups the kind was served from in the past. Other groups have kinds of the same name that are not ours. */
  readonly formerGroups: readonly string[];
  readonly scope: Scope;
  decode(object: Field, position: FilePosition | null): AnyObject | readonly AnyObject[];
}

const NETWORKING = 'networking.k8s.io';
const CORE = { group: '', versions: ['v1'], formerGroups: [], scope: 'namespaced' } as const;
const METALLB = { ...CORE, group: 'metallb.io', versions: ['v1beta1'] } as const;

const DECODERS: ReadonlyMap<string, KindDecoder> = new Map<string, KindDecoder>([
  ['Ingress', { ...CORE, group: NETWORKING, formerGroups: ['extensions'], decode: decodeIngress }],
  ['IngressClass', { ...CORE, group: NETWORKING, scope: 'cluster', decode: decodeIngressClass }],
  ['Service', { ...CORE, decode: decodeService }],
  ['EndpointSlice', { ...CORE, group: 'discovery.k8s.io', decode: decodeEndpointSlice }],
  ['Endpoints', { ...CORE, decode: decodeEndpoints }],
  ['Secret', { ...CORE, decode: decodeSecret }],
  ['ConfigMap', { ...CORE, decode: decodeConfigMap }],
  ['Namespace', { ...CORE, scope: 'cluster', decode: decodeNamespace }],
  ['Node', { ...CORE, scope: 'cluster', decode: decodeNode }],
  ['IPAddressPool', { ...METALLB, decode: decodeIpAddressPool }],
  ['L2Advertisement', { ...METALLB, decode: decodeL2Advertisement }],
  ['BGPAdvertisement', { ...METALLB, decode: decodeBgpAdvertisement }],
  ['BGPPeer', { ...METALLB, versions: ['v1beta2', 'v1beta1'], decode: decodeBgpPeer }],
  ['Community', { ...METALLB, decode: decodeCommunity }],
  ['BFDProfile', { ...METALLB, decode: decodeBfdProfile }],
]);

export type Decoded =
  /** A kind that nothing here uses. */
  | { readonly kind: 'ignored' }
  /** Usually one record; an Endpoints object gives one per slice it stands for. */
  | { readonly kind: 'decoded'; readonly object: ObjectRef; readonly records: readonly AnyObject[] }
  /** `object` is null when not even its name can be read, but for its kind. */
  | {
      readonly kind: 'invalid';
      readonly objectKind: string;
      readonly object: ObjectRef | null;
      readonly issues: readonly Issue[];
    }
  /** Not a Kubernetes object at all. */
  | { readonly kind: 'foreign'; readonly message: string };

/** Decodes one API object from JSON of any shape. Never throws. */
export function decodeObject(value: unknown, position: FilePosition | null): Decoded {
  if (!isObject(value)) return { kind: 'foreign', message: 'is not a Kubernetes object: it must be a map' };
  const kind = Object.hasOwn(value, 'kind') ? value['kind'] : undefined;
  if (typeof kind !== 'string' || kind === '') {
    return { kind: 'foreign', message: 'is not a Kubernetes object: it has no kind' };
  }
  if (kind === LIST) return { kind: 'foreign', message: misplacedList(value) };
  const decoder = DECODERS.get(kind);
  if (decoder === undefined) return { kind: 'ignored' };

  const object = identify(value, decoder.scope);
  switch (judgeVersion(value['apiVersion'], decoder)) {
    case 'foreign':
      return { kind: 'ignored' };
    case 'unsupported': {
      const issues: Issue[] = [];
      new Field(value['apiVersion'], issues, 'apiVersion').mustBe(
        `${apiVersions(decoder).join(' or ')} for kind ${kind}`,
      );
      return { kind: 'invalid', objectKind: kind, object, issues };
    }
    case 'supported':
      break;
  }

  const issues: Issue[] = [];
  const result = decoder.decode(new Field(value, issues), position);
  if (issues.length > 0 || object === null) return { kind: 'invalid', objectKind: kind, object, issues };
  return { kind: 'decoded', object, records: Array.isArray(result) ? result : [result] };
}

/** What is wrong with a List that {@link expandLists} gave as it is. */
function misplacedList(list: Readonly<Record<string, unknown>>): string {
  if (!Array.isArray(list['items'])) return 'is a List whose items are not a list';
  return `is a List inside ${MAX_DEPTH} others, the most that are read`;
}

/** How the API names the versions a decoder understands: `v1`, `networking.k8s.io/v1`. */
function apiVersions({ group, versions }: KindDecoder): string[] {
  return versions.map((version) => (group === '' ? version : `${group}/${version}`));
}

function judgeVersion(given: unknown, decoder: KindDecoder): 'supported' | 'unsupported' | 'foreign' {
  if (typeof given !== 'string') return 'unsupported';
  if (apiVersions(decoder).includes(given)) return 'supported';
  const slash = given.indexOf('/');
  const group = slash === -1 ? '' : given.slice(0, slash);
  return group === decoder.group || decoder.formerGroups.includes(group) ? 'unsupported' : 'foreign';
}

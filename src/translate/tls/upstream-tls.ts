/** TLS towards backends: what the proxy-ssl-* annotations of an Ingress ask for, with the Secret they name. */
import { createHash } from 'node:crypto';
import type { ObjectKey } from '../../model/keys.ts';
import type { ProblemText } from '../../model/problem-of.ts';
import { type Ingress, type Secret, SecretBytes, type Service } from '../../model/snapshot.ts';
import {
  type TlsVersion,
  UNVERIFIED_TLS,
  type UpstreamIdentity,
  type UpstreamTls,
  type UpstreamTlsId,
} from '../../model/upstream-tls.ts';
import type { Scheme } from '../services/scheme.ts';
import { readAuthorities, textOf } from './authorities.ts';
import { readKeyPair } from './certificate.ts';
import { secretReference } from './secret-reference.ts';

/** What the annotations say of the backends. */
export interface BackendAsked {
  /** null: as the Service says; `as-client`: with TLS for those who came with it. */
  readonly scheme: Scheme | 'as-client' | null;
  /** `namespace/name`; null for none. */
  readonly secret: string | null;
  readonly verify: boolean;
  readonly depth: number;
  /** The name to verify and to send; null: the Service's own. */
  readonly name: string | null;
  /** Whether the name is sent (SNI). */
  readonly sendName: boolean;
  /** OpenSSL's words; '' for the standard ones. */
  readonly ciphers: string;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
}

export const NO_BACKEND_ASKED: BackendAsked = {
  scheme: null,
  secret: null,
  verify: false,
  depth: 1,
  name: null,
  sendName: false,
  ciphers: UNVERIFIED_TLS.ciphers,
  minVersion: UNVERIFIED_TLS.minVersion,
  maxVersion: UNVERIFIED_TLS.maxVersion,
};

/** What the Secret holds, read once for an Ingress. */
export interface BackendSecret {
  readonly authorities: SecretBytes | null;
  readonly identity: UpstreamIdentity | null;
  /** Tells contents apart, without being a secret. */
  readonly digest: string;
}

export type ReadBackendSecret =
  | { readonly kind: 'read'; readonly secret: BackendSecret }
  /** Nothing may be sent to the backends: what was asked for cannot be had. */
  | { readonly kind: 'refused'; readonly problem: ProblemText };

const NO_SECRET: ReadBackendSecret = {
  kind: 'read',
  secret: { authorities: null, identity: null, digest: '' },
};

/** The Secret that is looked up, found or not; null when none is named that may be. */
export function backendSecretKey(ingress: Ingress, asked: BackendAsked): ObjectKey | null {
  const reference = asked.secret === null ? null : secretReference(ingress, asked.secret);
  return reference?.kind === 'own' ? reference.key : null;
}

/** When the Secret cannot be used the routes are closed: never is sent to anybody what was meant for one. */
export function readBackendSecret(
  ingress: Ingress,
  asked: BackendAsked,
  secrets: ReadonlyMap<ObjectKey, Secret>,
): ReadBackendSecret {
  if (asked.secret === null) return NO_SECRET;
  const refuse = (reason: ProblemText['reason'], fault: string): ReadBackendSecret => ({
    kind: 'refused',
    problem: {
      severity: 'error',
      reason,
      field: 'metadata.annotations[nginx.ingress.kubernetes.io/proxy-ssl-secret]',
      message: `${fault}; until that is mended requests for this Ingress are answered 503`,
    },
  });
  const reference = secretReference(ingress, asked.secret);
  if (reference.kind === 'refused') return refuse('InvalidAnnotation', reference.fault);
  const { key } = reference;
  const secret = secrets.get(key);
  if (secret === undefined) return refuse('SecretNotFound', `there is no Secret ${key}`);
  const read = readContents(secret);
  return typeof read === 'string' ? refuse('InvalidSecret', read) : { kind: 'read', secret: read };
}

/** `tls.crt` with `tls.key` is who we are, `ca.crt` whom we trust; one of them must be there. Gives a fault as text. */
function readContents(secret: Secret): BackendSecret | string {
  const has = (name: string) => textOf(secret, name).trim() !== '';
  const isIdentity = has('tls.crt') || has('tls.key');
  const isTrust = has('ca.crt');
  if (!isIdentity && !isTrust) return `Secret ${secret.meta.key} has neither tls.crt with tls.key nor ca.crt`;
  const authorities = isTrust ? readAuthorities(secret, true) : null;
  if (authorities !== null && authorities.fault !== null) return authorities.fault;
  const pair = isIdentity ? readKeyPair(secret) : null;
  if (pair !== null && pair.fault !== null) return pair.fault;
  const digest = createHash('sha256')
    .update(JSON.stringify([authorities?.text ?? '', pair?.certificate.id ?? '']))
    .digest('hex');
  return {
    authorities: authorities === null ? null : new SecretBytes(Buffer.from(authorities.text, 'latin1')),
    identity: pair === null ? null : identityOf(pair.certificate),
    digest,
  };
}

function identityOf({ chain, privateKey }: UpstreamIdentity): UpstreamIdentity {
  return { chain, privateKey };
}

/** The settings for the backends of one Service. */
export function upstreamTls(asked: BackendAsked, secret: BackendSecret, service: Service): UpstreamTls {
  const { verify, depth, sendName, ciphers, minVersion, maxVersion } = asked;
  const name = asked.name ?? ownName(service);
  const settings = {
    serverName: sendName ? name : '',
    verify: verify ? { name, depth } : null,
    ciphers,
    minVersion,
    maxVersion,
  };
  // Whom to trust matters only to those who verify.
  const authorities = verify ? secret.authorities : null;
  const said = JSON.stringify([settings, secret.digest]);
  if (said === NOTHING_SAID) return UNVERIFIED_TLS;
  const id = createHash('sha256').update(said).digest('hex').slice(0, 16) as UpstreamTlsId;
  return { id, ...settings, authorities, identity: secret.identity };
}

const NOTHING_SAID = JSON.stringify([
  {
    serverName: '',
    verify: null,
    ciphers: UNVERIFIED_TLS.ciphers,
    minVersion: UNVERIFIED_TLS.minVersion,
    maxVersion: UNVERIFIED_TLS.maxVersion,
  },
  '',
]);

/** What the certificate of a Service is made out to: its name in the cluster's DNS, or the name outside that it means. */
function ownName({ meta, externalName }: Service): string {
  return externalName ?? `${meta.name}.${meta.namespace}.svc`;
}

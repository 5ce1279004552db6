/** The difference between the TLS parts of two routing tables, as it crosses to the workers: see table-patch.ts. */
import type { Certificate, CertificateId, ClientAuth, TlsHost, TlsTable } from './certificate.ts';
import type { Hostname } from './keys.ts';
import { changedKeys } from './shared-map.ts';

export interface TlsPatch {
  readonly certificates: readonly CertificatePatch[];
  readonly removedCertificates: readonly CertificateId[];
  readonly hosts: readonly TlsHostPatch[];
  readonly removedHosts: readonly Hostname[];
}

export interface TlsHostPatch extends Omit<TlsHost, 'clientAuth'> {
  readonly clientAuth: ClientAuthPatch | null;
}

export type ClientAuthPatch =
  | (Omit<Extract<ClientAuth, { kind: 'ask' }>, 'authorities' | 'revoked'> & {
      readonly authorities: string;
      readonly revoked: string;
    })
  | Extract<ClientAuth, { kind: 'closed' }>;

/** Text, because that is what a message port copies fastest; it is never logged. */
export interface CertificatePatch {
  readonly id: CertificateId;
  readonly chain: string;
  readonly privateKey: string;
}

/** What must be done to `from` to get `to`, in patches of at most `most` entries each, to be applied together. */
export function diffTls(from: TlsTable, to: TlsTable, most: number): TlsPatch[] {
  const entries: Entry[] = [];
  for (const id of changedKeys(from.certificates, to.certificates)) {
    const certificate = to.certificates.get(id);
    if (certificate === undefined) entries.push({ kind: 'removed-certificate', id });
    else entries.push({ kind: 'certificate', certificate });
  }
  for (const name of changedKeys(from.tlsHosts, to.tlsHosts)) {
    const host = to.tlsHosts.get(name);
    if (host === undefined) entries.push({ kind: 'removed-host', host: name });
    else entries.push({ kind: 'host', host });
  }
  const patches: TlsPatch[] = [];
  for (let at = 0; at < entries.length; at += most) patches.push(patchOf(entries.slice(at, at + most)));
  return patches;
}

type Entry =
  | { readonly kind: 'certificate'; readonly certificate: Certificate }
  | { readonly kind: 'removed-certificate'; readonly id: CertificateId }
  | { readonly kind: 'host'; readonly host: TlsHost }
  | { readonly kind: 'removed-host'; readonly host: Hostname };

function patchOf(entries: readonly Entry[]): TlsPatch {
  return {
    certificates: entries.flatMap((each) => (each.kind === 'certificate' ? [pemOf(each.certificate)] : [])),
    removedCertificates: entries.flatMap((each) => (each.kind === 'removed-certificate' ? [each.id] : [])),
    hosts: entries.flatMap((each) => (each.kind === 'host' ? [hostPatch(each.host)] : [])),
    removedHosts: entries.flatMap((each) => (each.kind === 'removed-host' ? [each.host] : [])),
  };
}

function hostPatch({ clientAuth, ...host }: TlsHost): TlsHostPatch {
  if (clientAuth === null || clientAuth.kind === 'closed') return { ...host, clientAuth };
  const { authorities, revoked, ...asked } = clientAuth;
  const texts = {
    authorities: decoder.decode(authorities.reveal()),
    revoked: decoder.decode(revoked.reveal()),
  };
  return { ...host, clientAuth: { ...asked, ...texts } };
}

const decoder = new TextDecoder();

function pemOf({ id, chain, privateKey }: Certificate): CertificatePatch {
  return { id, chain: decoder.decode(chain.reveal()), privateKey: decoder.decode(privateKey.reveal()) };
}

/** Whether a request may go on where client certificates are asked for. */
import type { ClientAuthPatch } from '../../model/tls-patch.ts';
import type { Peer } from '../exchange/peer.ts';
import { requestHost } from '../route/resolve.ts';

export interface ClientAuthHosts {
  /** Whether any host asks for client certificates. */
  readonly asks: boolean;
  /** What is asked of clients of this host (in its one spelling); null for nothing. */
  clientAuthOf(host: string): ClientAuthPatch | null;
  /** Whether any host's connections are passed through, and whether this host's are. */
  readonly passes: boolean;
  isPassedThrough(host: string): boolean;
}

/**
 * The status to refuse with, 0 to go on. What the request's host asks for must be what the handshake asked for,
 * or a connection made for an open host would lead into a closed one (RFC 9110 15.5.20: 421, and the client comes
 * again with a connection of its own). So it is for a host that serves its own TLS: a connection that ends here was not
 * made for it. Without TLS nobody can show anything.
 */
export function clientCertificateRefusal(
  authority: string,
  peer: Peer,
  hosts: ClientAuthHosts,
): 0 | 400 | 403 | 421 {
  if (hosts.passes && peer.scheme === 'https' && hosts.isPassedThrough(requestHost(authority))) return 421;
  if (!hosts.asks && peer.client.policy === '') return 0;
  const asked = hosts.clientAuthOf(requestHost(authority));
  if (peer.scheme !== 'https') return asked === null || isOptional(asked) ? 0 : refusalOf(asked);
  if ((asked?.id ?? '') !== peer.client.policy) return 421;
  if (asked === null) return 0;
  if (asked.kind === 'closed') return 403;
  const { verdict, stranger } = peer.client;
  const enough =
    asked.mode === 'unverified' || verdict === 'good' || (asked.mode === 'optional' && verdict === 'none');
  if (!enough) return 400;
  return stranger ? 403 : 0;
}

/** Where a client that is refused with 400 is sent instead; '' for nowhere. */
export function clientCertificatePage(authority: string, hosts: ClientAuthHosts): string {
  const asked = hosts.clientAuthOf(requestHost(authority));
  return asked?.kind === 'ask' ? asked.errorPage : '';
}

function isOptional(asked: ClientAuthPatch): boolean {
  return asked.kind === 'ask' && asked.mode !== 'required' && asked.matchSubject === '';
}

function refusalOf(asked: ClientAuthPatch): 400 | 403 {
  return asked.kind === 'closed' ? 403 : 400;
}

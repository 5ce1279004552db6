/** Who sent a request, and what is told upstream about it (RFC 7239 and its X- ancestors). */
import { BlockList, isIP } from 'node:net';
import { isAuthority } from '../message/authority.ts';
import {
  FORWARDED,
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PORT,
  X_FORWARDED_PROTO,
} from '../message/field-names.ts';
import type { RequestHead } from '../message/request-head.ts';
import { type ClientIdentity, NOT_ASKED } from '../tls/client-identity.ts';

/** Addresses of proxies in front of us whose forwarding fields are believed. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #any: boolean;

  /** `cidrs` were validated by the settings; a plain address is a prefix of full length. */
  constructor(cidrs: readonly string[]) {
    this.#any = cidrs.length > 0;
    for (const cidr of cidrs) {
      const [address = '', length] = cidr.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (length === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(length), family);
    }
  }

  has(address: string): boolean {
    if (!this.#any) return false;
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** One client connection's peer; the fields an untrusted one gets are the same for all its requests. */
export interface Peer {
  readonly address: string;
  readonly trusted: boolean;
  readonly scheme: string;
  readonly port: string;
  /** Field lines for requests of an untrusted peer. */
  readonly fields: string;
  /** `for=…;proto=…` of RFC 7239 without host; '' when the field is not sent. */
  readonly forwarded: string;
  readonly client: ClientIdentity;
}

export function makePeer(
  address: string,
  scheme: string,
  port: number,
  trusted: TrustedProxies,
  sendForwarded: boolean,
  client: ClientIdentity = NOT_ASKED,
): Peer {
  const node = address.includes(':') ? `"[${address}]"` : address;
  return {
    address,
    trusted: trusted.has(address),
    scheme,
    port: String(port),
    fields: forwardingFields(address, address, scheme, String(port)),
    forwarded: sendForwarded ? `for=${node};proto=${scheme}` : '',
    client,
  };
}

function forwardingFields(client: string, chain: string, scheme: string, port: string): string {
  return (
    `X-Forwarded-For: ${chain}\r\nX-Real-IP: ${client}\r\nX-Forwarded-Proto: ${scheme}\r\n` +
    `X-Forwarded-Port: ${port}\r\n`
  );
}

/** What is known of a request's origin once a trusted proxy was heard. */
export interface Origin {
  client: string;
  fields: string;
  host: string;
}

/**
 * Reads the forwarding fields of a trusted peer: the client is the last address in X-Forwarded-For that is not
 * itself a trusted proxy, counted from the right. Values that do not parse are not believed.
 */
export function believedOrigin(head: RequestHead, peer: Peer, trusted: TrustedProxies): Origin {
  const incoming = head.fields.joined(X_FORWARDED_FOR);
  const chain = incoming === '' ? peer.address : `${incoming}, ${peer.address}`;
  const proto = head.fields.first(X_FORWARDED_PROTO).toLowerCase();
  const port = head.fields.first(X_FORWARDED_PORT);
  const host = head.fields.first(X_FORWARDED_HOST);
  const scheme = proto === 'http' || proto === 'https' ? proto : peer.scheme;
  const client = clientOf(incoming, peer, trusted);
  return {
    client,
    fields: forwardingFields(client, chain, scheme, /^\d{1,5}$/.test(port) ? port : peer.port),
    host: isAuthority(host) ? host : head.authority,
  };
}

function clientOf(incoming: string, peer: Peer, trusted: TrustedProxies): string {
  let client = peer.address;
  const hops = incoming.split(',');
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = hops[i]!.trim();
    if (isIP(hop) === 0) return client;
    client = hop;
    if (!trusted.has(hop)) return client;
  }
  return client;
}

/** The `Forwarded` line for upstream; what a trusted peer sent comes first. */
export function forwardedLine(head: RequestHead, peer: Peer): string {
  if (peer.forwarded === '') return '';
  const before = peer.trusted ? head.fields.joined(FORWARDED) : '';
  const host = head.authority === '' ? '' : `;host="${head.authority}"`;
  return `Forwarded: ${before === '' ? '' : `${before}, `}${peer.forwarded}${host}\r\n`;
}

/** Who sent a request, and what is told upstream about it (RFC 7239 and its X- ancestors). */
import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../../model/ip-text.ts';
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
 * itself a trusted proxy, counted from the right; of X-Forwarded-For alone, as what clients write into Forwarded passes
 * through proxies that do not know that field. Values that do not parse are not believed.
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
  for (let end = incoming.length; end > 0; ) {
    const start = incoming.lastIndexOf(',', end - 1) + 1;
    const member = incoming.slice(start, end).trim();
    end = start - 1;
    // RFC 9110 5.6.1: an empty member of a list is none.
    if (member === '') continue;
    const address = addressOf(member);
    if (address === '') return client;
    client = address;
    if (!trusted.has(address)) return client;
  }
  return client;
}

/**
 * The address in a member of X-Forwarded-For: alone or, as nginx reads it too, with a port, before which IPv6 stands in
 * brackets. '' for anything else, such as the `unknown` and `_hidden` of RFC 7239 6.
 */
function addressOf(member: string): string {
  if (isIP(member) !== 0) return plainAddress(member);
  const bracketed = member.startsWith('[');
  const end = member.indexOf(bracketed ? ']' : ':');
  if (end < 0) return '';
  const port = bracketed ? member.slice(end + 1) : member.slice(end);
  if (port === '' ? !bracketed : !isPort(port)) return '';
  const address = member.slice(bracketed ? 1 : 0, end);
  return isIP(address) === (bracketed ? 6 : 4) ? plainAddress(address) : '';
}

/** `:` and a port. */
function isPort(text: string): boolean {
  return /^:\d{1,5}$/.test(text) && Number(text.slice(1)) <= 65_535;
}

/**
 * The `Forwarded` line for upstream (RFC 7239 4); what a trusted peer sent comes first, unless our element would be read
 * as a part of it.
 */
export function forwardedLine(head: RequestHead, peer: Peer): string {
  if (peer.forwarded === '') return '';
  const sent = peer.trusted ? head.fields.joined(FORWARDED) : '';
  const before = isWellQuoted(sent) ? sent : '';
  const host = head.authority === '' ? '' : `;host="${head.authority}"`;
  return `Forwarded: ${before === '' ? '' : `${before}, `}${peer.forwarded}${host}\r\n`;
}

/** Whether each quoted string of a list begins behind a `=` and ends before the next parameter or element. */
function isWellQuoted(list: string): boolean {
  for (let i = list.indexOf('"'); i >= 0; i = list.indexOf('"', i)) {
    if (list[i - 1] !== '=') return false;
    for (i++; i < list.length && list[i] !== '"'; i++) if (list[i] === '\\') i++;
    if (i >= list.length) return false;
    if (++i < list.length && !',; \t'.includes(list[i]!)) return false; // in range
  }
  return true;
}

/**
 * The kinds of values a setting may have. Each reads what a flag, an environment variable (text) or the
 * settings file (text, number, boolean, list) gives, and says in words what it expected.
 */
import { isIP } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { z } from 'zod';

export interface ValueKind<T> {
  /** Stands for the value in `--help`, like `ADDR:PORT`; null for a flag without a value. */
  readonly placeholder: string | null;
  /** Completes "expected …". */
  readonly expected: string;
  readonly schema: z.ZodType<T>;
}

export interface ListenAddress {
  /** IP literal without brackets; `::` for every address of both families. */
  readonly address: string;
  /** 0 for any free port. */
  readonly port: number;
}

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform((value) => String(value).trim());

/** A kind that reads text; `parse` gives undefined for text that it does not accept. */
function fromText<T>(
  placeholder: string | null,
  expected: string,
  parse: (text: string) => T | undefined,
): ValueKind<T> {
  const schema = scalar.transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
  return { placeholder, expected, schema };
}

/** A comma-separated text or a YAML list; every entry is read by `parse`. Empty text is the empty list. */
function listOf<T>(
  placeholder: string,
  expected: string,
  parse: (text: string) => T | undefined,
): ValueKind<readonly T[]> {
  const texts = z.union([z.array(scalar), scalar.transform((text) => text.split(','))]);
  const schema = texts.transform((entries, context) => {
    const values: T[] = [];
    for (const entry of entries) {
      const text = entry.trim();
      if (text === '') continue;
      const value = parse(text);
      if (value === undefined) {
        context.addIssue({ code: 'custom', message: `${expected}; the entry "${text}" is not one` });
        return z.NEVER;
      }
      values.push(value);
    }
    return values;
  });
  return { placeholder, expected, schema };
}

export function choice<const T extends string>(...values: readonly T[]): ValueKind<T> {
  const list = values.join('|');
  return fromText(list, `one of ${values.join(', ')}`, (text) => values.find((value) => value === text));
}

function parseBoolean(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  if (lower === 'true' || lower === 'on' || lower === 'yes' || lower === '1') return true;
  if (lower === 'false' || lower === 'off' || lower === 'no' || lower === '0') return false;
  return undefined;
}

/** A flag that stands alone (`--x`, `--no-x`); in file and environment true or false. */
export const toggle: ValueKind<boolean> = fromText(null, 'true or false', parseBoolean);

/** A flag with a value: `--x on`. */
export const onOff: ValueKind<boolean> = fromText('on|off', 'on or off', parseBoolean);

export function wholeNumber(min: number, max: number): ValueKind<number> {
  return fromText('N', `a whole number from ${min} to ${max}`, (text) => within(parseDigits(text), min, max));
}

export function fraction(): ValueKind<number> {
  return fromText('SHARE', 'a number from 0 to 1, like 0.1', (text) =>
    /^\d+(\.\d+)?$/.test(text) ? within(Number(text), 0, 1) : undefined,
  );
}

function parseDigits(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** Node's timers take no more. */
const MAX_DURATION_MS = 2_147_483_647;

/** Milliseconds. A bare number is refused (seconds or milliseconds?), except 0. */
export function duration(zero: 'zero-is-off' | 'zero-is-zero'): ValueKind<number> {
  const meaning = zero === 'zero-is-off' ? ' (0 switches it off)' : '';
  return fromText('DURATION', `a duration of at most 596h like 500ms, 30s, 5m or 1h${meaning}`, (text) => {
    if (text === '0') return 0;
    const match = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
    if (!match) return undefined;
    return within(Math.round(Number(match[1]) * DURATION_UNITS[match[2]!]!), 0, MAX_DURATION_MS);
  });
}

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes; the suffixes k, m and g count in 1024s. */
export function size(min: number, max: number): ValueKind<number> {
  const range = `from ${formatSize(min)} to ${formatSize(max)}`;
  return fromText('SIZE', `a number of bytes ${range}, like 512, 32k, 8m or 1g`, (text) => {
    const match = /^(\d{1,15})([kmg]?)$/i.exec(text);
    return match ? within(Number(match[1]) * SIZE_UNITS[match[2]!.toLowerCase()]!, min, max) : undefined;
  });
}

/** The shortest text that {@link size} reads back as `bytes`. */
export function formatSize(bytes: number): string {
  for (const unit of ['g', 'm', 'k']) {
    const factor = SIZE_UNITS[unit]!;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** The shortest text that {@link duration} reads back as `ms`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  for (const unit of ['h', 'm', 's']) {
    const factor = DURATION_UNITS[unit]!;
    if (ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}

/** null for `off`. */
export const listenAddress: ValueKind<ListenAddress | null> = fromText(
  'ADDR:PORT',
  'an IP address and a port like 127.0.0.1:8080, [::1]:8080 or :8080 (all addresses), or off',
  (text) => (text === 'off' ? null : parseListenAddress(text)),
);

function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const port = within(Number(match[3]), 0, 65_535);
  if (port === undefined) return undefined;
  if (match[1] !== undefined) return isIP(match[1]) === 6 ? { address: match[1], port } : undefined;
  if (match[2] === '') return { address: '::', port };
  return isIP(match[2]!) === 4 ? { address: match[2]!, port } : undefined;
}

/** CIDRs; a bare address stands for itself alone. */
export const cidrs: ValueKind<readonly string[]> = listOf(
  'CIDR,…',
  'a list of CIDRs like 10.0.0.0/8,fd00::/8',
  (text) => {
    const slash = text.indexOf('/');
    const address = slash === -1 ? text : text.slice(0, slash);
    const family = isIP(address);
    if (family === 0 || address.includes('%')) return undefined;
    const bits = family === 4 ? 32 : 128;
    const length = slash === -1 ? bits : within(parseDigits(text.slice(slash + 1)), 0, bits);
    return length === undefined ? undefined : `${address}/${length}`;
  },
);

/** Addresses in the form that `dns.Resolver.setServers` takes. */
export const dnsServers: ValueKind<readonly string[]> = listOf(
  'ADDR,…',
  'a list of IP addresses, each with a port if it is not 53, like 10.43.0.10,[fd00::a]:5353',
  (text) => {
    if (isIP(text) !== 0) return text;
    const withPort = parseListenAddress(text);
    return withPort !== undefined && withPort.port > 0 && !text.startsWith(':') ? text : undefined;
  },
);

/** Lower-case upgrade tokens (RFC 9110 section 7.8), `*` for any. */
export const upgradeTokens: ValueKind<readonly string[]> = listOf(
  'TOKEN,…',
  'a list of upgrade protocols like websocket, or * for any',
  (text) =>
    text === '*' || /^[\w!#$%&'*+.^`|~-]+(\/[\w!#$%&'*+.^`|~-]+)?$/.test(text)
      ? text.toLowerCase()
      : undefined,
);

/** Text that may stand in a response field; '' for none. */
export const fieldText: ValueKind<string> = fromText(
  'TEXT',
  'printable ASCII text of at most 100 characters',
  (text) => (/^[\x20-\x7e]{0,100}$/.test(text) ? text : undefined),
);

/** Names joined by colons that OpenSSL takes when they are put into `options`. */
function opensslNames(
  placeholder: string,
  expected: string,
  name: RegExp,
  options: (text: string) => SecureContextOptions,
): ValueKind<string> {
  return fromText(placeholder, expected, (text) => {
    if (!text.split(':').every((part) => name.test(part))) return undefined;
    try {
      createSecureContext({ ca: [], ...options(text) });
      return text;
    } catch {
      return undefined;
    }
  });
}

export const cipherList: ValueKind<string> = opensslNames(
  'NAME:…',
  "cipher suites of TLS 1.2 by OpenSSL's names, joined by colons",
  /^(?!TLS_)[A-Z0-9-]+$/,
  (ciphers) => ({ ciphers, maxVersion: 'TLSv1.2' }),
);

export const ciphersuiteList: ValueKind<string> = opensslNames(
  'NAME:…',
  'cipher suites of TLS 1.3, joined by colons',
  /^TLS_[A-Z0-9_]+$/,
  (ciphers) => ({ ciphers, minVersion: 'TLSv1.3' }),
);

export const groupList: ValueKind<string> = opensslNames(
  'NAME:…',
  'groups of key exchange that OpenSSL knows, joined by colons',
  /^[A-Za-z0-9_-]+$/,
  (ecdhCurve) => ({ ecdhCurve }),
);

const LABELS = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

export const objectName: ValueKind<string> = fromText(
  'NAME',
  'the name of a Kubernetes object (lower-case letters, digits, "-" and ".", at most 253)',
  (text) => (text.length <= 253 && LABELS.test(text) ? text : undefined),
);

export const namespaces: ValueKind<readonly string[]> = listOf(
  'NAME,…',
  'names of namespaces, like shop,blog',
  (text) => (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text) ? text : undefined),
);

/** As `spec.loadBalancerClass` of a Service: a label, with a domain and a slash before it unless it is built in. */
export const loadBalancerClass: ValueKind<string> = fromText(
  'NAME',
  'a name like metallb or example.com/internal',
  (text) =>
    text.length <= 317 && /^([a-z0-9][-a-z0-9.]*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(text)
      ? text
      : undefined,
);

/** As `spec.controller` of an IngressClass: a domain-prefixed path of at most 250 characters. */
export const controllerName: ValueKind<string> = fromText(
  'NAME',
  'a domain-prefixed path like example.com/controller of at most 250 characters',
  (text) => (text.length <= 250 && /^[a-z0-9.-]+\/[\w./-]+$/i.test(text) ? text : undefined),
);

/** `namespace/name` of an object. */
export interface ObjectReference {
  readonly namespace: string;
  readonly name: string;
}

export function objectReference(kind: string): ValueKind<ObjectReference> {
  return fromText('NS/NAME', `NAMESPACE/NAME of a ${kind}`, (text) => {
    const [namespace = '', name = '', rest] = text.split('/');
    return rest === undefined && LABELS.test(namespace) && LABELS.test(name)
      ? { namespace, name }
      : undefined;
  });
}

/** IP addresses and lower-case host names. */
export const publishedAddresses: ValueKind<readonly string[]> = listOf(
  'ADDR,…',
  'a list of IP addresses and host names, like 192.0.2.1,lb.example.com',
  (text) => {
    if (isIP(text) !== 0) return text;
    const name = text.toLowerCase();
    // Digits and dots only is an address with a slip in it.
    return name.length <= 253 && LABELS.test(name) && !/^[\d.]+$/.test(name) ? name : undefined;
  },
);

/** Regular expressions; a comma cannot be part of one. */
export const patterns: ValueKind<readonly string[]> = listOf(
  'REGEX,…',
  'a list of regular expressions like ^docker.*,^lo$',
  (text) => {
    try {
      new RegExp(text);
      return text;
    } catch {
      return undefined;
    }
  },
);

export const filePath: ValueKind<string> = fromText('PATH', 'a path', (text) =>
  text === '' ? undefined : text,
);

/** null for `auto`. */
export const workerCount: ValueKind<number | null> = fromText(
  'N',
  'auto or a whole number from 1 to 512',
  (text) => {
    if (text === 'auto') return null;
    return within(parseDigits(text), 1, 512);
  },
);

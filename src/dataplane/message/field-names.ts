/**
 * The field names the proxy acts on, each with a small number. Everything else is passed on without its
 * name ever becoming a string.
 */

export const OTHER = 0;
export const HOST = 1;
export const CONNECTION = 2;
export const KEEP_ALIVE = 3;
export const PROXY_CONNECTION = 4;
export const PROXY_AUTHENTICATE = 5;
export const PROXY_AUTHORIZATION = 6;
export const TE = 7;
export const TRAILER = 8;
export const TRANSFER_ENCODING = 9;
export const UPGRADE = 10;
export const HTTP2_SETTINGS = 11;
export const CONTENT_LENGTH = 12;
export const EXPECT = 13;
export const X_FORWARDED_FOR = 14;
export const X_FORWARDED_HOST = 15;
export const X_FORWARDED_PROTO = 16;
export const X_FORWARDED_PORT = 17;
export const FORWARDED = 18;
export const X_REAL_IP = 19;
export const X_REQUEST_ID = 20;
export const VIA = 21;
export const PROXY = 22;
export const ACCEPT = 23;
export const COOKIE = 24;
export const USER_AGENT = 25;
export const MAX_FORWARDS = 26;
export const SERVER = 27;
export const DATE = 28;
export const AUTHORIZATION = 29;
export const CONTENT_TYPE = 30;
export const SET_COOKIE = 31;
export const CACHE_CONTROL = 32;
export const CONTENT_ENCODING = 33;
export const CONTENT_RANGE = 34;
export const X_FORWARDED_SCHEME = 35;
export const X_SCHEME = 36;
export const X_FORWARDED_CLIENT_CERT = 38;
export const STRICT_TRANSPORT_SECURITY = 39;
export const SSL_CLIENT_VERIFY = 40;
export const SSL_CLIENT_SUBJECT_DN = 41;
export const SSL_CLIENT_ISSUER_DN = 42;
export const SSL_CLIENT_CERT = 43;
export const SSL_CLIENT_FINGERPRINT = 44;
export const X_TIDEGATE_ATTEMPT = 45;
/** A name with `_`: CGI-like backends read `X_Forwarded_For` as the dashed name, so such lines are dropped. */
export const UNDERSCORE = 37;

/** What tells a backend who the client is (ingress-nginx): only our word counts, or that of a trusted proxy. */
export const CLIENT_CERTIFICATE_FIELDS: readonly (readonly [number, string])[] = [
  [SSL_CLIENT_VERIFY, 'ssl-client-verify'],
  [SSL_CLIENT_SUBJECT_DN, 'ssl-client-subject-dn'],
  [SSL_CLIENT_ISSUER_DN, 'ssl-client-issuer-dn'],
  [SSL_CLIENT_CERT, 'ssl-client-cert'],
  [SSL_CLIENT_FINGERPRINT, 'ssl-client-fingerprint'],
];

const NAMES: readonly (readonly [number, string])[] = [
  [HOST, 'host'],
  [CONNECTION, 'connection'],
  [KEEP_ALIVE, 'keep-alive'],
  [PROXY_CONNECTION, 'proxy-connection'],
  [PROXY_AUTHENTICATE, 'proxy-authenticate'],
  [PROXY_AUTHORIZATION, 'proxy-authorization'],
  [TE, 'te'],
  [TRAILER, 'trailer'],
  [TRANSFER_ENCODING, 'transfer-encoding'],
  [UPGRADE, 'upgrade'],
  [HTTP2_SETTINGS, 'http2-settings'],
  [CONTENT_LENGTH, 'content-length'],
  [EXPECT, 'expect'],
  [X_FORWARDED_FOR, 'x-forwarded-for'],
  [X_FORWARDED_HOST, 'x-forwarded-host'],
  [X_FORWARDED_PROTO, 'x-forwarded-proto'],
  [X_FORWARDED_PORT, 'x-forwarded-port'],
  [FORWARDED, 'forwarded'],
  [X_REAL_IP, 'x-real-ip'],
  [X_REQUEST_ID, 'x-request-id'],
  [VIA, 'via'],
  [PROXY, 'proxy'],
  [ACCEPT, 'accept'],
  [COOKIE, 'cookie'],
  [USER_AGENT, 'user-agent'],
  [MAX_FORWARDS, 'max-forwards'],
  [SERVER, 'server'],
  [DATE, 'date'],
  [AUTHORIZATION, 'authorization'],
  [CONTENT_TYPE, 'content-type'],
  [SET_COOKIE, 'set-cookie'],
  [CACHE_CONTROL, 'cache-control'],
  [CONTENT_ENCODING, 'content-encoding'],
  [CONTENT_RANGE, 'content-range'],
  [X_FORWARDED_SCHEME, 'x-forwarded-scheme'],
  [X_SCHEME, 'x-scheme'],
  [X_FORWARDED_CLIENT_CERT, 'x-forwarded-client-cert'],
  [STRICT_TRANSPORT_SECURITY, 'strict-transport-security'],
  [X_TIDEGATE_ATTEMPT, 'x-tidegate-attempt'],
  ...CLIENT_CERTIFICATE_FIELDS,
];

const IDS = new Map<string, number>(NAMES.map(([id, name]) => [name, id]));

/** The number of a lower-case name, OTHER when it is none of ours. */
export function fieldId(lowerName: string): number {
  return IDS.get(lowerName) ?? OTHER;
}

interface Candidate {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly next: Candidate | null;
}

/** Length and first letter choose a short chain of candidates; most unknown names meet an empty one. */
const LONGEST = 25;
const chains: (Candidate | null)[] = new Array((LONGEST + 1) * 32).fill(null);
for (const [id, name] of NAMES) {
  const slot = name.length * 32 + (name.charCodeAt(0) & 31);
  chains[slot] = { id, bytes: Buffer.from(name, 'latin1'), next: chains[slot] ?? null };
}

/** The number of the name in `bytes[start, end)`, which must already be known to be a token. */
export function fieldIdOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length > LONGEST) return OTHER;
  let candidate = chains[length * 32 + (bytes[start]! & 31)] ?? null;
  while (candidate !== null) {
    const name = candidate.bytes;
    let i = 0;
    // A token has no control bytes, so setting bit 5 maps only letters onto each other here.
    while (i < length && (bytes[start + i]! | 32) === name[i]) i++;
    if (i === length) return candidate.id;
    candidate = candidate.next;
  }
  return OTHER;
}

function setOf(...ids: number[]): Uint8Array {
  const set = new Uint8Array(64);
  for (const id of ids) set[id] = 1;
  return set;
}

const HOP_BY_HOP = [
  CONNECTION,
  KEEP_ALIVE,
  PROXY_CONNECTION,
  PROXY_AUTHENTICATE,
  TE,
  TRAILER,
  TRANSFER_ENCODING,
  UPGRADE,
] as const;

/** What backends believe because the proxy says it: never passed on from a client, in heads or in trailers. */
const TOLD_BY_US: readonly number[] = [
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PROTO,
  X_FORWARDED_PORT,
  X_FORWARDED_SCHEME,
  X_SCHEME,
  X_FORWARDED_CLIENT_CERT,
  FORWARDED,
  X_REAL_IP,
  X_REQUEST_ID,
  VIA,
  PROXY,
  X_TIDEGATE_ATTEMPT,
  UNDERSCORE,
  ...CLIENT_CERTIFICATE_FIELDS.map(([id]) => id),
];

/** Request lines that are never copied: hop-by-hop (RFC 9110 7.6.1), framing, and what the proxy writes itself. */
export const NOT_COPIED_IN_REQUEST = setOf(
  ...HOP_BY_HOP,
  PROXY_AUTHORIZATION,
  HTTP2_SETTINGS,
  HOST,
  CONTENT_LENGTH,
  EXPECT,
  ...TOLD_BY_US,
);

/** Response lines that are never copied. */
export const NOT_COPIED_IN_RESPONSE = setOf(...HOP_BY_HOP, HTTP2_SETTINGS, CONTENT_LENGTH);

/** The same where the proxy says itself how long browsers shall keep to HTTPS. */
export const NOT_COPIED_WITH_HSTS = setOf(
  ...HOP_BY_HOP,
  HTTP2_SETTINGS,
  CONTENT_LENGTH,
  STRICT_TRANSPORT_SECURITY,
);

/** Trailer lines that are dropped: framing, routing, authentication (RFC 9110 6.5.1). */
export const FORBIDDEN_IN_TRAILERS = setOf(
  ...HOP_BY_HOP,
  PROXY_AUTHORIZATION,
  HTTP2_SETTINGS,
  HOST,
  CONTENT_LENGTH,
  EXPECT,
  AUTHORIZATION,
  COOKIE,
  SET_COOKIE,
  CONTENT_TYPE,
  CONTENT_ENCODING,
  CONTENT_RANGE,
  CACHE_CONTROL,
  MAX_FORWARDS,
  ...TOLD_BY_US,
);

/**
 * The same of a response, which no backend reads: names with `_` (gRPC metadata may have them) and those we tell
 * backends mean nothing there.
 */
export const FORBIDDEN_IN_RESPONSE_TRAILERS = setOf(
  ...HOP_BY_HOP,
  HTTP2_SETTINGS,
  CONTENT_LENGTH,
  SET_COOKIE,
  CONTENT_TYPE,
  CONTENT_ENCODING,
  CONTENT_RANGE,
  CACHE_CONTROL,
);

/** Names that a `Connection` field may list without effect (Traefik CVE-2024-45410). */
export const PROTECTED_FROM_CONNECTION = setOf(
  HOST,
  CONTENT_LENGTH,
  TRANSFER_ENCODING,
  CONTENT_TYPE,
  COOKIE,
  SET_COOKIE,
  AUTHORIZATION,
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PROTO,
  X_FORWARDED_PORT,
  FORWARDED,
  X_REAL_IP,
  X_REQUEST_ID,
  VIA,
);

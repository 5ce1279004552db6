/**
 * Access-log lines: JSON in ASCII rendered by concatenation, the route's part once per route, and handed to the main
 * thread in large pieces of bytes, which it writes beside the program log as they are. Hot path when switched on.
 */
import type { AccessLogConfig } from './config.ts';

/** Bytes of lines that are handed over at once: each time wakes two threads. */
const PIECE_BYTES = 262_144;
const NOTHING = Buffer.allocUnsafeSlow(0);

/** What a line tells besides what is known per route. Times in ms, sizes in bytes. */
export interface AccessEntry {
  id: string;
  client: string;
  method: string;
  host: string;
  /** Path without query. */
  path: string;
  protocol: string;
  status: number;
  bytesIn: number;
  bytesOut: number;
  durationMs: number;
  /** `address:port` of the last attempt; '' when there was none. */
  upstream: string;
  /** Negative when no response came. */
  upstreamMs: number;
  attempts: number;
  userAgent: string;
  /** Why we answered ourselves or broke off; '' for a response passed on whole. */
  reason: string;
  /** From {@link routeFragment}. */
  route: string;
}

/** What a line tells of a connection passed through as it came (layer 4). Times in ms, sizes in bytes. */
export interface ConnectionEntry {
  client: string;
  /** The server name of a TLS connection, '' for none. */
  serverName: string;
  bytesIn: number;
  bytesOut: number;
  durationMs: number;
  /** `address:port` of the last attempt; '' when there was none. */
  upstream: string;
  attempts: number;
  /** Why it could not be passed through, or broke; '' for one that both sides ended in order. */
  reason: string;
  /** From {@link routeFragment}. */
  route: string;
}

export class AccessLog {
  readonly #config: AccessLogConfig;
  readonly #write: (lines: Uint8Array<ArrayBuffer>) => void;
  /** Lines since the owner last set it to 0. */
  added = 0;
  /** Lines are put here while what they were made of is still in the processor's cache. */
  #piece = NOTHING;
  #filled = 0;
  #second = 0;
  #secondText = '';
  #credit = 0;

  /** `write` takes whole lines, each ended by a newline, in memory that is its own. */
  constructor(config: AccessLogConfig, write: (lines: Uint8Array<ArrayBuffer>) => void) {
    this.#config = config;
    this.#write = write;
  }

  /** Whether the next request with this status is to be logged. Sampling is even, not random. */
  wants(status: number): boolean {
    if (!this.#config.enabled) return false;
    if (status >= 500 || this.#config.sample >= 1) return true;
    this.#credit += this.#config.sample;
    if (this.#credit < 1) return false;
    this.#credit -= 1;
    return true;
  }

  add(entry: AccessEntry): void {
    this.added++;
    const upstream =
      entry.upstream === ''
        ? 'null,"upstream_ms":null'
        : `"${entry.upstream}","upstream_ms":${entry.upstreamMs < 0 ? 'null' : rounded(entry.upstreamMs)}`;
    this.#put(
      `{"time":"${this.#time()}","id":"${inQuotes(entry.id)}","client":"${entry.client}","method":"${inQuotes(entry.method)}"` +
        `,"host":"${inQuotes(entry.host)}","path":"${inQuotes(entry.path)}","protocol":"${entry.protocol}"` +
        `,"status":${entry.status},"bytes_in":${entry.bytesIn},"bytes_out":${entry.bytesOut}` +
        `,"duration_ms":${rounded(entry.durationMs)},"upstream":${upstream},"attempts":${entry.attempts},${entry.route}` +
        `,"user_agent":${orNull(entry.userAgent)},"reason":${orNull(entry.reason)}}\n`,
    );
  }

  /** A line about a connection of layer 4. */
  addConnection(entry: ConnectionEntry): void {
    this.added++;
    this.#put(
      `{"time":"${this.#time()}","layer":4,"client":"${entry.client}","server_name":${orNull(entry.serverName)}` +
        `,"bytes_in":${entry.bytesIn},"bytes_out":${entry.bytesOut},"duration_ms":${rounded(entry.durationMs)}` +
        `,"upstream":${orNull(entry.upstream)},"attempts":${entry.attempts},${entry.route}` +
        `,"reason":${orNull(entry.reason)}}\n`,
    );
  }

  #put(line: string): void {
    if (this.#filled + line.length > this.#piece.length) {
      this.flush();
      this.#piece = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, line.length));
    }
    this.#filled += this.#piece.write(line, this.#filled, 'latin1');
  }

  flush(): void {
    if (this.#filled === 0) return;
    const lines = this.#piece.subarray(0, this.#filled);
    this.#piece = NOTHING;
    this.#filled = 0;
    this.#write(lines);
  }

  /** ISO 8601 with milliseconds; the part down to the second is made once a second. */
  #time(): string {
    const now = Date.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = new Date(second * 1000).toISOString().slice(0, 20);
    }
    const ms = now - second * 1000;
    return `${this.#secondText}${THOUSANDTHS[ms]}Z`;
  }
}

/** The part of a line that a route decides. */
export function routeFragment(namespace: string, ingress: string, service: string): string {
  return `"namespace":${orNull(namespace)},"ingress":${orNull(ingress)},"service":${orNull(service)}`;
}

function orNull(text: string): string {
  return text === '' ? 'null' : `"${inQuotes(text)}"`;
}

/** `000` to `999`: numbers with a fraction take several times as long to become text. */
const THOUSANDTHS = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'));

/** In microseconds, without a sign. */
function rounded(ms: number): string {
  const microseconds = Math.max(0, Math.round(ms * 1000));
  const whole = Math.floor(microseconds / 1000);
  const rest = microseconds - whole * 1000;
  return rest === 0 ? `${whole}` : `${whole}.${THOUSANDTHS[rest]}`;
}

/** JSON text of a string between its quotes; what clients send is usually plain, so the scan pays. */
function inQuotes(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 32 || c === 34 || c === 92 || c > 126) return escaped(text);
  }
  return text;
}

/** In ASCII, whatever is in it. */
function escaped(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

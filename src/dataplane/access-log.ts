/**
 * Access-log lines: JSON rendered by concatenation, the route's part once per route, and handed to the main
 * thread in large pieces, which writes them beside the program log. Hot path when switched on.
 */
import type { AccessLogConfig } from './config.ts';

const FLUSH_CHARACTERS = 65_536;

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
  readonly #write: (lines: string) => void;
  /** Lines since the owner last set it to 0. */
  added = 0;
  #lines = '';
  #second = 0;
  #secondText = '';
  #credit = 0;

  /** `write` takes whole lines, each ended by a newline. */
  constructor(config: AccessLogConfig, write: (lines: string) => void) {
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
    this.#lines +=
      `{"time":"${this.#time()}","id":${quote(entry.id)},"client":"${entry.client}","method":${quote(entry.method)},"host":${quote(entry.host)}` +
      `,"path":${quote(entry.path)},"protocol":"${entry.protocol}","status":${entry.status},"bytes_in":${entry.bytesIn}` +
      `,"bytes_out":${entry.bytesOut},"duration_ms":${rounded(entry.durationMs)},` +
      (entry.upstream === ''
        ? '"upstream":null,"upstream_ms":null'
        : `"upstream":"${entry.upstream}","upstream_ms":${entry.upstreamMs < 0 ? 'null' : rounded(entry.upstreamMs)}`) +
      `,"attempts":${entry.attempts},${entry.route},"user_agent":${entry.userAgent === '' ? 'null' : quote(entry.userAgent)}` +
      `,"reason":${entry.reason === '' ? 'null' : `"${entry.reason}"`}}\n`;
    if (this.#lines.length >= FLUSH_CHARACTERS) this.flush();
  }

  /** A line about a connection of layer 4. */
  addConnection(entry: ConnectionEntry): void {
    this.added++;
    this.#lines +=
      `{"time":"${this.#time()}","layer":4,"client":"${entry.client}","server_name":${orNull(entry.serverName)}` +
      `,"bytes_in":${entry.bytesIn},"bytes_out":${entry.bytesOut},"duration_ms":${rounded(entry.durationMs)}` +
      `,"upstream":${orNull(entry.upstream)},"attempts":${entry.attempts},${entry.route}` +
      `,"reason":${orNull(entry.reason)}}\n`;
    if (this.#lines.length >= FLUSH_CHARACTERS) this.flush();
  }

  flush(): void {
    if (this.#lines === '') return;
    const lines = this.#lines;
    this.#lines = '';
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
    return `${this.#secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
  }
}

/** The part of a line that a route decides. */
export function routeFragment(namespace: string, ingress: string, service: string): string {
  return `"namespace":${orNull(namespace)},"ingress":${orNull(ingress)},"service":${orNull(service)}`;
}

function orNull(text: string): string {
  return text === '' ? 'null' : quote(text);
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** JSON text of a string; what clients send is usually plain, so the scan pays. */
function quote(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 32 || c === 34 || c === 92 || c > 126) return JSON.stringify(text);
  }
  return `"${text}"`;
}

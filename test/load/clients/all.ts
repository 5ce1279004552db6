/** Who takes part, and how many of each. */
import type { Rounds } from './client.ts';
import { multiplexed } from './http2.ts';
import { abandoners, downloads, echoes, freshGets, keptGets, overTls, uploads } from './ordinary.ts';
import { halfClosers, oldClients, pipeliners } from './raw.ts';
import { drips, slowReaders, slowWriters } from './slow.ts';
import { webSockets } from './websocket.ts';

export interface ClientKind {
  readonly name: string;
  readonly rounds: Rounds;
  readonly count: number;
}

export const CLIENT_KINDS: readonly ClientKind[] = [
  { name: 'kept GETs', rounds: keptGets, count: 8 },
  { name: 'fresh GETs', rounds: freshGets, count: 4 },
  { name: 'downloads', rounds: downloads, count: 2 },
  { name: 'uploads', rounds: uploads, count: 4 },
  { name: 'echoes', rounds: echoes, count: 3 },
  { name: 'slow readers', rounds: slowReaders, count: 3 },
  { name: 'slow writers', rounds: slowWriters, count: 3 },
  { name: 'slow backends', rounds: drips, count: 3 },
  { name: 'pipeliners', rounds: pipeliners, count: 2 },
  { name: 'HTTP/1.0', rounds: oldClients, count: 2 },
  { name: 'half-closers', rounds: halfClosers, count: 2 },
  { name: 'TLS', rounds: overTls, count: 3 },
  { name: 'HTTP/2', rounds: multiplexed, count: 4 },
  { name: 'WebSockets', rounds: webSockets, count: 5 },
  { name: 'abandoners', rounds: abandoners, count: 2 },
];

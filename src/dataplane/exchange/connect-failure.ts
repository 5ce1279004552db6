/** Why a connection to an endpoint did not come to stand. */
import { tlsFaultOr } from '../transport/tls-fault.ts';
import type { UpstreamFailure } from './sides.ts';

/** Descriptors of the process or the system, memory, and ports of our own to connect from: see connect(2). */
const OURS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL']);

/** What the `error` of the stream's `onClose` tells. */
export function connectFailure(error: string | null): UpstreamFailure {
  if (error !== null && OURS.has(error)) return 'out-of-sockets';
  return tlsFaultOr(error, 'connect-failed');
}

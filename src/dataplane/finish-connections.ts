/** Ends the connections to one address of this host, which another one is about to take. */
import type { ClientConnection } from './exchange/client-listener.ts';
import { localAddressOf } from './transport/local-address.ts';
import type { ByteStream } from './transport/stream.ts';

/** Handshakes of TCP that had begun are connections by then (as where a listener closes). */
const HANDSHAKE_MS = 150;
const CHECK_MS = 20;

export interface OpenConnections {
  readonly connections: ReadonlySet<ClientConnection>;
  /** Those that are not through their TLS handshake. */
  readonly waiting: ReadonlySet<{ readonly stream: ByteStream }>;
}

/**
 * Tells clients to leave; calls `done` when nothing runs on connections to the address, or after `mostMs`. Those on
 * which nothing is asked are ended before: one that is asked on later would be reset.
 */
export function finishConnections(
  { connections, waiting }: OpenConnections,
  address: string,
  mostMs: number,
  done: () => void,
): void {
  const began = performance.now();
  const drain = (now: boolean): boolean => {
    let busy = false;
    for (const { stream } of waiting) busy ||= localAddressOf(stream) === address;
    for (const connection of connections) {
      if (localAddressOf(connection.stream) !== address) continue;
      busy ||= !connection.idle;
      connection.drain(now);
    }
    return busy;
  };
  const look = (): void => {
    const busy = drain(false);
    const elapsed = performance.now() - began;
    if (elapsed < HANDSHAKE_MS) setTimeout(look, Math.ceil(HANDSHAKE_MS - elapsed));
    else if (busy && elapsed < mostMs) setTimeout(look, CHECK_MS);
    else {
      drain(true);
      done();
    }
  };
  look();
}

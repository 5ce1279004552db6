/** The portable transport as a whole: node:net, and node:tls towards endpoints that want it. */
import { connectNet, listenNet, onNetFault } from './net.ts';
import { connectTls, type HandshakeResult } from './net-tls.ts';
import type { Transport } from './stream.ts';

/**
 * `fault` is told of each error that an owner threw; the stream was reset. `onHandshake` is told how each TLS handshake
 * with an endpoint ended that began.
 */
export function netTransport(
  fault: (error: unknown) => void,
  onHandshake: (result: HandshakeResult) => void,
): Transport {
  onNetFault(fault);
  return {
    listen: listenNet,
    connect: (to, owner) =>
      to.tls === null ? connectNet(to, owner) : connectTls(to, to.tls, owner, onHandshake),
  };
}

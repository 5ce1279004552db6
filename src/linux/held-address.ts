/**
 * Keeps new TCP connections from an address and port for a while, beside listeners that serve the port on every
 * address. A socket that listens on the very address is the one that SYNs go to, and its filter drops them all: clients
 * repeat them a second later. Connections that stand, and handshakes that have begun, stay with their listener.
 */
import { createServer } from 'node:net';
import {
  attachFilter,
  bindSocket,
  closeSocket,
  onlyIpv6,
  openSocket,
  reusePort,
  type SocketAddress,
} from './sockets.ts';

/** Classic BPF: `ret #0`. */
const DROP_ALL = [[0x06, 0, 0, 0]] as const;

/**
 * Gives what ends it, or why it cannot be: no interface has the address, for one. A listener that is bound to the very
 * address, too, shares its SYNs with this socket.
 */
export function holdAddress(address: SocketAddress): (() => void) | string {
  const fd = openSocket('tcp', address.family);
  if (typeof fd === 'string') return fd;
  const failure =
    reusePort(fd) ??
    (address.family === 6 ? onlyIpv6(fd) : null) ??
    bindSocket(fd, address) ??
    attachFilter(fd, DROP_ALL);
  if (failure !== null) {
    closeSocket(fd);
    return failure;
  }
  const server = createServer();
  server.on('error', () => {});
  server.listen({ fd });
  return () => server.close();
}

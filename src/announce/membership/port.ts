/** The UDP sockets of heartbeats: one for each family that peers have. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

export interface HeartbeatPortOptions {
  readonly port: number;
  /** Where to listen; null for every address. */
  readonly address: string | null;
  onDatagram(bytes: Buffer): void;
  /** What an operator should know. */
  onProblem(text: string): void;
}

export class HeartbeatPort {
  readonly #options: HeartbeatPortOptions;
  readonly #sockets = new Map<4 | 6, Socket>();

  constructor(options: HeartbeatPortOptions) {
    this.#options = options;
  }

  /** Opens what is needed to hear these hosts. */
  listenFor(hosts: readonly string[]): void {
    for (const host of hosts) this.#socket(isIPv6(host) ? 6 : 4);
  }

  /** Lost datagrams are what heartbeats are there for: a failure to send is not told. */
  send(bytes: Buffer, hosts: readonly string[]): void {
    for (const host of hosts)
      this.#sockets.get(isIPv6(host) ? 6 : 4)?.send(bytes, this.#options.port, host, () => {});
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #socket(family: 4 | 6): void {
    if (this.#sockets.has(family)) return;
    const { port, address, onDatagram, onProblem } = this.#options;
    const socket = createSocket(family === 4 ? { type: 'udp4' } : { type: 'udp6', ipv6Only: true });
    this.#sockets.set(family, socket);
    socket.on('message', onDatagram);
    socket.on('error', (error) => onProblem(`heartbeats on UDP port ${port}: ${error.message}`));
    const matches = address !== null && isIPv6(address) === (family === 6);
    socket.bind(matches ? { port, address } : { port });
  }
}

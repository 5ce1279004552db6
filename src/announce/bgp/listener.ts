/** The listening side of BGP: connections that peers open, handed to the session that they belong to. */
import { createServer, type Server, type Socket } from 'node:net';
import { setTtl } from '../../linux/sockets.ts';
import { socketAddress, splitScope } from '../address.ts';
import { descriptorOf, type Session } from './session.ts';
import { setPassword } from './tcp.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export class BgpListener {
  readonly #server: Server;
  readonly #sessions: () => Iterable<Session>;
  readonly #family: 4 | 6;
  /** Peers whose password the kernel knows, by address. */
  readonly #passwords = new Map<string, string>();

  /** `sessions`: those that connections may belong to. */
  constructor(address: ListenAddress, sessions: () => Iterable<Session>) {
    this.#sessions = sessions;
    this.#family = splitScope(address.host)?.ip.family ?? 4;
    this.#server = createServer((socket) => this.#onConnection(socket));
  }

  /** Resolves to null once it listens, or to why it does not, with what to do about it. */
  listen({ host, port }: ListenAddress): Promise<string | null> {
    const server = this.#server;
    return new Promise((resolve) => {
      server.once('error', (error: NodeJS.ErrnoException) => resolve(describe(error, host, port)));
      server.listen({ host, port, ipv6Only: true }, () => {
        // Peers with TTL security would drop even the answer to their SYN if it came with less.
        setTtl(descriptorOf(server), this.#family, 255);
        server.on('error', () => {});
        this.syncPasswords();
        resolve(null);
      });
    });
  }

  /** The port that is bound; 0 before. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Tells the kernel which peers sign their segments. Gives the peers for which that failed, with the reason. */
  syncPasswords(): ReadonlyMap<string, string> {
    const failed = new Map<string, string>();
    const wanted = new Map<string, string>();
    for (const { config } of this.#sessions())
      if (config.password !== null && splitScope(config.address)?.ip.family === this.#family)
        wanted.set(config.address, config.password);
    const fd = descriptorOf(this.#server);
    for (const address of this.#passwords.keys())
      if (!wanted.has(address)) {
        const target = socketAddress(address, 0);
        if (target !== null) setPassword(fd, '', target);
        this.#passwords.delete(address);
      }
    for (const [address, password] of wanted) {
      if (this.#passwords.get(address) === password) continue;
      const target = socketAddress(address, 0);
      const failure = target === null ? 'no such interface' : setPassword(fd, password, target);
      if (failure === null) this.#passwords.set(address, password);
      else failed.set(address, failure);
    }
    return failed;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** Strangers get no answer at all. */
  #onConnection(socket: Socket): void {
    socket.on('error', () => {});
    const from = splitScope(socket.remoteAddress ?? '')?.ip;
    for (const session of this.#sessions()) {
      const ip = splitScope(session.config.address)?.ip;
      const belongs = from !== undefined && ip?.family === from.family && ip.value === from.value;
      if (belongs && session.acceptsInbound) return session.accept(socket);
    }
    socket.destroy();
  }
}

function describe(error: NodeJS.ErrnoException, host: string, port: number): string {
  const where = `BGP cannot listen on ${host} port ${port}`;
  if (error.code === 'EADDRINUSE')
    return `${where}: another program does. Stop it, or listen elsewhere; sessions that we open work without.`;
  if (error.code === 'EACCES')
    return `${where}: not permitted. Ports below 1024 need the capability NET_BIND_SERVICE.`;
  if (error.code === 'EADDRNOTAVAIL') return `${where}: no interface of this host has that address.`;
  return `${where}: ${error.code ?? error.message}.`;
}

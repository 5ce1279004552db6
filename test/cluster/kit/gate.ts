/** A door in front of the API server that a test can shut: the network between it and one of its clients. */
import { connect, createServer, type Socket } from 'node:net';
import type { Scope } from '../../kit/waiting.ts';
import { API_PORT } from './control-plane.ts';

export interface Gate {
  /** What a kubeconfig names as its server. */
  readonly url: string;
  /** Connections that pass through now. */
  readonly open: number;
  /** Cuts all connections and refuses new ones. */
  shut(): void;
  /** Nothing more passes on the connections there are, as when a firewall has forgotten them; new ones pass. */
  stall(): void;
  /** Lets new connections pass. */
  unlock(): void;
}

/** Opens one on `port` of 127.0.0.1. */
export async function openGate(scope: Scope, port: number): Promise<Gate> {
  const sockets = new Set<Socket>();
  let locked = false;
  const server = createServer((client) => {
    if (locked) return void client.resetAndDestroy();
    const onward = connect(API_PORT, '127.0.0.1');
    for (const [from, to] of [
      [client, onward],
      [onward, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const shut = () => {
    locked = true;
    for (const socket of sockets) socket.resetAndDestroy();
  };
  scope.after(() => {
    shut();
    server.close();
  });
  return {
    url: `https://127.0.0.1:${port}`,
    get open() {
      return sockets.size / 2;
    },
    shut,
    stall: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    unlock: () => {
      locked = false;
    },
  };
}

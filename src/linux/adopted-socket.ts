/**
 * Sockets of families that Node.js has no handle for (packets, netlink), read by libuv like any datagram socket.
 *
 * Node.js only takes over descriptors of UDP sockets. So it is given one, and before the event loop first looks at
 * it, the descriptor is made to mean the other socket (dup3). From then on libuv polls and receives from that one:
 * nothing blocks, at most 32 datagrams are taken per turn of the loop, and the handle is closed with its thread, all
 * of which a poll handle of our own would have to prove first.
 */
import { createSocket, type Socket } from 'node:dgram';
import { closeSocket, openSocket } from './sockets.ts';
import { lastError, systemCalls } from './system.ts';

const O_CLOEXEC = 0o2000000;
const SOCK_RAW = 3;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

export interface AdoptedSocketEvents {
  /** The bytes may be kept. */
  onMessage(bytes: Buffer): void;
  /** A receive failed; the socket stays open. */
  onError(error: Error): void;
}

/** A raw, nonblocking descriptor of any family, or why there is none. */
export function openRawSocket(family: number, protocol: number): number | string {
  const calls = systemCalls();
  if (calls === null) return 'not available on this system';
  const fd = calls.socket(family, SOCK_RAW | SOCK_NONBLOCK_CLOEXEC, protocol);
  return fd < 0 ? lastError() : fd;
}

export class AdoptedSocket {
  readonly #socket: Socket;
  #fd: number;

  private constructor(socket: Socket, fd: number) {
    this.#socket = socket;
    this.#fd = fd;
  }

  /** Takes `fd` over, also when it fails; a text says why it did. */
  static take(fd: number, { onMessage, onError }: AdoptedSocketEvents): AdoptedSocket | string {
    const calls = systemCalls();
    const place = openSocket('udp', 4);
    if (calls === null || typeof place === 'string') {
      closeSocket(fd);
      return typeof place === 'string' ? place : 'not available on this system';
    }
    const socket = createSocket('udp4');
    socket.on('message', onMessage);
    socket.on('error', onError);
    socket.bind({ fd: place }); // registered with the loop, which looks at the descriptor in its next turn
    const failure = calls.dup3(fd, place, O_CLOEXEC) < 0 ? lastError() : null;
    closeSocket(fd);
    if (failure === null) return new AdoptedSocket(socket, place);
    socket.close();
    return failure;
  }

  /** For options; not to be closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Sends without waiting; null, or why not. */
  send(bytes: Buffer): string | null {
    const calls = systemCalls();
    if (calls === null || this.#fd < 0) return 'closed';
    const sent = calls.send(this.#fd, bytes, BigInt(bytes.length), MSG_DONTWAIT | MSG_NOSIGNAL);
    return Number(sent) < 0 ? lastError() : null;
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#fd = -1;
    this.#socket.close();
  }
}

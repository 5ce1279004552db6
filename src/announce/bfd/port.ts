/** The sockets of BFD: one to hear on for each port and family, one to speak from for each session. */
import { createSocket, type Socket } from 'node:dgram';
import {
  attachFilter,
  bindSocket,
  bindToDevice,
  closeSocket,
  onlyIpv6,
  openSocket,
  type SocketAddress,
  sendTo,
  setTrafficClass,
  setTtl,
  sockaddr,
} from '../../linux/sockets.ts';
import { socketAddress } from '../address.ts';
import { type AllowedSource, sourceFilter } from './filter.ts';

/** RFC 5881 section 4, RFC 5883 section 5. */
export const SINGLE_HOP_PORT = 3784;
export const MULTIHOP_PORT = 4784;
const FIRST_SOURCE_PORT = 49152;
const SOURCE_PORTS = 65536 - FIRST_SOURCE_PORT;
/** A source port may be taken by somebody else. */
const ATTEMPTS = 20;
const TTL = 255;
/** DSCP CS6, "network control". */
const NETWORK_CONTROL = 0xc0;

/** Hears what comes to one port over one family. */
export class BfdListener {
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #family: 4 | 6;

  private constructor(socket: Socket, fd: number, family: 4 | 6) {
    this.#socket = socket;
    this.#fd = fd;
    this.#family = family;
  }

  /** Lets nothing through before {@link allow}. A text says why there is none. */
  static open(
    family: 4 | 6,
    port: number,
    device: string | null,
    onPacket: (bytes: Buffer, from: string) => void,
  ): BfdListener | string {
    const fd = openSocket('udp', family);
    if (typeof fd === 'string') return fd;
    const any: SocketAddress = { family, bytes: new Uint8Array(family === 4 ? 4 : 16), port, scope: 0 };
    const failure =
      (family === 6 ? onlyIpv6(fd) : null) ??
      (device === null ? null : bindToDevice(fd, device)) ??
      attachFilter(fd, sourceFilter(family, [])) ??
      bindSocket(fd, any);
    if (failure !== null) {
      closeSocket(fd);
      return failure;
    }
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    socket.on('error', () => {}); // nothing that a receiving socket could do about it
    socket.on('message', (bytes, { address }) => onPacket(bytes, address));
    socket.bind({ fd });
    return new BfdListener(socket, fd, family);
  }

  /** From now on only packets of these. */
  allow(sources: readonly AllowedSource[]): string | null {
    return attachFilter(this.#fd, sourceFilter(this.#family, sources));
  }

  close(): void {
    this.#socket.close();
  }
}

/**
 * Sends the packets of one session, always from the same port (RFC 5881 section 4). It hears nothing, so the event
 * loop need not know of it, and a packet costs one system call.
 */
export class BfdSender {
  /** Where packets come from. */
  readonly port: number;
  #fd: number;
  readonly #to: DataView;

  private constructor(fd: number, port: number, to: DataView) {
    this.#fd = fd;
    this.port = port;
    this.#to = to;
  }

  /** `source`: its address, the port is chosen here. A text says why there is none. */
  static open(source: SocketAddress, to: string, port: number, device: string | null): BfdSender | string {
    const { family } = source;
    const target = socketAddress(to, port);
    if (target === null) return `there is no interface for ${to}`;
    let failure = 'no free port';
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const fd = openSocket('udp', family);
      if (typeof fd === 'string') return fd;
      const from = { ...source, port: FIRST_SOURCE_PORT + Math.floor(Math.random() * SOURCE_PORTS) };
      setTrafficClass(fd, family, NETWORK_CONTROL);
      const failed =
        setTtl(fd, family, TTL) ??
        (device === null ? null : bindToDevice(fd, device)) ??
        // It only sends: a filter that drops all keeps the kernel from queueing what strangers send to it.
        attachFilter(fd, sourceFilter(family, [])) ??
        bindSocket(fd, from);
      if (failed === null) return new BfdSender(fd, from.port, sockaddr(target));
      closeSocket(fd);
      failure = failed;
      if (!failed.startsWith('EADDRINUSE')) break;
    }
    return failure;
  }

  /** A packet that cannot go out is a lost packet, which is what BFD counts. */
  send(bytes: Uint8Array): void {
    sendTo(this.#fd, bytes, this.#to);
  }

  close(): void {
    if (this.#fd >= 0) closeSocket(this.#fd);
    this.#fd = -1;
  }
}

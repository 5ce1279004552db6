/** Whole Ethernet frames of one protocol on one interface (packet(7)). Needs CAP_NET_RAW. */
import { AdoptedSocket, openRawSocket } from './adopted-socket.ts';
import { attachFilter, bindRaw, closeSocket, type FilterInstruction, setSocketOption } from './sockets.ts';

const AF_PACKET = 17;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_DROP_MEMBERSHIP = 2;
const PACKET_MR_MULTICAST = 0;
const MAC_BYTES = 6;

export interface PacketSocketOptions {
  readonly interfaceIndex: number;
  /** EtherType. */
  readonly protocol: number;
  /** What the kernel lets through; offset 0 is the Ethernet header. */
  readonly filter: readonly FilterInstruction[];
  onFrame(frame: Buffer): void;
  /** The interface went down, mostly. The socket stays open and works again when it is back. */
  onError(error: Error): void;
}

export class PacketSocket {
  readonly #socket: AdoptedSocket;
  readonly #interfaceIndex: number;

  private constructor(socket: AdoptedSocket, interfaceIndex: number) {
    this.#socket = socket;
    this.#interfaceIndex = interfaceIndex;
  }

  /** A text says why there is none. */
  static open({
    interfaceIndex,
    protocol,
    filter,
    onFrame,
    onError,
  }: PacketSocketOptions): PacketSocket | string {
    // Protocol 0 receives nothing until it is bound: no frame comes past the filter.
    const fd = openRawSocket(AF_PACKET, 0);
    if (typeof fd === 'string')
      return fd.startsWith('EPERM') ? `${fd}: CAP_NET_RAW is needed to send and receive frames` : fd;
    const failure = attachFilter(fd, filter) ?? bindTo(fd, interfaceIndex, protocol);
    if (failure !== null) {
      closeSocket(fd);
      return failure;
    }
    const socket = AdoptedSocket.take(fd, { onMessage: onFrame, onError });
    return typeof socket === 'string' ? socket : new PacketSocket(socket, interfaceIndex);
  }

  /** Sends a whole frame, without waiting; null, or why not. */
  send(frame: Buffer): string | null {
    return this.#socket.send(frame);
  }

  /** The card takes frames for this multicast address, too (48 bits). */
  join(group: number): string | null {
    return this.#membership(PACKET_ADD_MEMBERSHIP, group);
  }

  leave(group: number): string | null {
    return this.#membership(PACKET_DROP_MEMBERSHIP, group);
  }

  close(): void {
    this.#socket.close();
  }

  /** `struct packet_mreq`: interface, type, length of the address, address. */
  #membership(option: number, group: number): string | null {
    const view = new DataView(new ArrayBuffer(16));
    view.setInt32(0, this.#interfaceIndex, true);
    view.setUint16(4, PACKET_MR_MULTICAST, true);
    view.setUint16(6, MAC_BYTES, true);
    view.setUint16(8, Math.floor(group / 2 ** 32));
    view.setUint32(10, group % 2 ** 32);
    return setSocketOption(this.#socket.fd, SOL_PACKET, option, view);
  }
}

/** `struct sockaddr_ll`; only family, protocol and interface count for bind. */
function bindTo(fd: number, interfaceIndex: number, protocol: number): string | null {
  const view = new DataView(new ArrayBuffer(20));
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, protocol);
  view.setInt32(4, interfaceIndex, true);
  return bindRaw(fd, view);
}

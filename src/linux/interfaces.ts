/** Network interfaces of this host: what the kernel says of them, and when that changes. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { AdoptedSocket, openRawSocket } from './adopted-socket.ts';
import { bindRaw, closeSocket } from './sockets.ts';

const SYSTEM = '/sys/class/net';
const IFF_UP = 0x1;
const IFF_BROADCAST = 0x2;
const IFF_LOOPBACK = 0x8;
const IFF_NOARP = 0x80;

export interface NetworkInterface {
  readonly name: string;
  readonly index: number;
  /** 48 bits. */
  readonly mac: number;
  /** Set up, and there is a carrier. */
  readonly up: boolean;
  /** An Ethernet whose hosts are found by ARP and NDP. */
  readonly broadcast: boolean;
  /** The bridge or bond that it is a port of; null for none. */
  readonly master: string | null;
}

/** Names of all interfaces. */
export function interfaceNames(): string[] {
  try {
    return readdirSync(SYSTEM);
  } catch {
    return [];
  }
}

/** null when there is no such interface, or it went while we looked. */
export function readInterface(name: string): NetworkInterface | null {
  try {
    const read = (file: string) => readFileSync(`${SYSTEM}/${name}/${file}`, 'latin1').trim();
    const flags = Number(read('flags'));
    const mac = read('address');
    const ethernet = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac);
    return {
      name,
      index: Number(read('ifindex')),
      mac: ethernet ? Number.parseInt(mac.replaceAll(':', ''), 16) : 0,
      up: (flags & IFF_UP) !== 0 && !['down', 'lowerlayerdown'].includes(read('operstate')),
      broadcast: ethernet && (flags & (IFF_BROADCAST | IFF_LOOPBACK | IFF_NOARP)) === IFF_BROADCAST,
      master: masterOf(name),
    };
  } catch {
    return null;
  }
}

function masterOf(name: string): string | null {
  try {
    return readlinkSync(`${SYSTEM}/${name}/master`).replace(/^.*\//, '');
  } catch {
    return null;
  }
}

const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const RTMGRP_LINK = 1;

/**
 * Calls `onChange` when an interface came, went, or changed (rtnetlink(7)), several times for one change perhaps. A
 * text says why nothing will be told.
 */
export function watchInterfaces(onChange: () => void): { close(): void } | string {
  const fd = openRawSocket(AF_NETLINK, NETLINK_ROUTE);
  if (typeof fd === 'string') return fd;
  // struct sockaddr_nl: family, padding, port (the kernel's choice), groups.
  const address = new DataView(new ArrayBuffer(12));
  address.setUint16(0, AF_NETLINK, true);
  address.setUint32(8, RTMGRP_LINK, true);
  const failure = bindRaw(fd, address);
  if (failure !== null) {
    closeSocket(fd);
    return failure;
  }
  // When messages were lost the receive fails, and that is a change as well.
  return AdoptedSocket.take(fd, { onMessage: onChange, onError: onChange });
}

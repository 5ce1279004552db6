/**
 * Sockets with options that node:net and node:dgram do not offer. Node takes them over by descriptor:
 * `new net.Socket({ fd })` and `dgramSocket.bind({ fd })`.
 */
import { lastError, pointerTo, systemCalls } from './system.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const MSG_DONTWAIT_NOSIGNAL = 0x4040;

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const SO_BINDTODEVICE = 25;
const SO_ATTACH_FILTER = 26;
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_MINTTL = 21;
const IPPROTO_TCP = 6;
const TCP_MD5SIG = 14;
const TCP_USER_TIMEOUT = 18;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_V6ONLY = 26;
const IPV6_TCLASS = 67;
const IPV6_MINHOPCOUNT = 73;

/** RFC 2385 leaves the length open; Linux takes 80 bytes. */
export const LONGEST_MD5_KEY = 80;

export interface SocketAddress {
  readonly family: 4 | 6;
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  readonly port: number;
  /** Index of the interface of a link-local address; else 0. */
  readonly scope: number;
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
export function sockaddr({ family, bytes, port, scope }: SocketAddress): DataView {
  const view = new DataView(new ArrayBuffer(family === 4 ? 16 : 28));
  view.setUint16(0, family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.forEach((byte, i) => {
    view.setUint8((family === 4 ? 4 : 8) + i, byte);
  });
  if (family === 6) view.setUint32(24, scope, true);
  return view;
}

/** A descriptor, or why there is none. */
export function openSocket(kind: 'tcp' | 'udp', family: 4 | 6): number | string {
  const calls = systemCalls();
  if (calls === null) return 'not available on this system';
  const type = (kind === 'tcp' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK_CLOEXEC;
  const fd = calls.socket(family === 4 ? AF_INET : AF_INET6, type, 0);
  return fd < 0 ? lastError() : fd;
}

/** Only for descriptors that Node has not taken over. */
export function closeSocket(fd: number): void {
  systemCalls()?.close(fd);
}

/** null, or why not. */
export function bindSocket(fd: number, address: SocketAddress): string | null {
  return bindRaw(fd, sockaddr(address));
}

/** Binds to a `struct sockaddr` of any family. */
export function bindRaw(fd: number, view: DataView): string | null {
  return systemCalls()?.bind(fd, view, view.byteLength) === 0 ? null : lastError();
}

/** One datagram to a {@link sockaddr}, without waiting; null, or why not. */
export function sendTo(fd: number, bytes: Uint8Array, to: DataView): string | null {
  const calls = systemCalls();
  if (calls === null || fd < 0) return 'not available on this system';
  const sent = calls.sendto(fd, bytes, BigInt(bytes.length), MSG_DONTWAIT_NOSIGNAL, to, to.byteLength);
  return sent < 0n ? lastError() : null;
}

/** null, or why not. */
export function setSocketOption(fd: number, level: number, name: number, value: DataView): string | null {
  const calls = systemCalls();
  if (calls === null || fd < 0) return 'not available on this system';
  return calls.setsockopt(fd, level, name, value, value.byteLength) === 0 ? null : lastError();
}

function setNumber(fd: number, level: number, name: number, value: number): string | null {
  const view = new DataView(new ArrayBuffer(4));
  view.setInt32(0, value, true);
  return setSocketOption(fd, level, name, view);
}

export const reuseAddress = (fd: number): string | null => setNumber(fd, SOL_SOCKET, SO_REUSEADDR, 1);

/** Others that have it, too, may listen on the same address and port. */
export const reusePort = (fd: number): string | null => setNumber(fd, SOL_SOCKET, SO_REUSEPORT, 1);

/** An IPv6 socket then leaves IPv4 to others. */
export const onlyIpv6 = (fd: number): string | null => setNumber(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);

/** Packets go out through this interface (or VRF) alone and come in through it alone. Needs CAP_NET_RAW. */
export function bindToDevice(fd: number, name: string): string | null {
  const bytes = new TextEncoder().encode(`${name}\0`);
  return setSocketOption(fd, SOL_SOCKET, SO_BINDTODEVICE, new DataView(bytes.buffer, 0, bytes.length));
}

/** TTL or hop limit of what is sent, 1..255. */
export const setTtl = (fd: number, family: 4 | 6, ttl: number): string | null =>
  family === 4 ? setNumber(fd, IPPROTO_IP, IP_TTL, ttl) : setNumber(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);

/** TCP segments that arrive with less are dropped by the kernel (RFC 5082). UDP does not look at it. */
export const setMinimumTtl = (fd: number, family: 4 | 6, ttl: number): string | null =>
  family === 4
    ? setNumber(fd, IPPROTO_IP, IP_MINTTL, ttl)
    : setNumber(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, ttl);

/** The DSCP and ECN byte. */
export const setTrafficClass = (fd: number, family: 4 | 6, value: number): string | null =>
  family === 4 ? setNumber(fd, IPPROTO_IP, IP_TOS, value) : setNumber(fd, IPPROTO_IPV6, IPV6_TCLASS, value);

/** How long sent data may stay unacknowledged until the connection counts as lost. */
export const setUserTimeout = (fd: number, ms: number): string | null =>
  setNumber(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms);

/**
 * Every segment to and from `peer` must be signed with `key` (RFC 2385); for a listening socket too. An empty key
 * takes it back. `struct tcp_md5sig`: an address of 128 bytes, flags, prefix length, key length, interface, key.
 */
export function setMd5Key(fd: number, peer: Omit<SocketAddress, 'port'>, key: Uint8Array): string | null {
  if (key.length > LONGEST_MD5_KEY) return `the key has more than ${LONGEST_MD5_KEY} bytes`;
  const view = new DataView(new ArrayBuffer(216));
  const address = sockaddr({ ...peer, port: 0 });
  for (let i = 0; i < address.byteLength; i++) view.setUint8(i, address.getUint8(i));
  view.setUint16(130, key.length, true);
  key.forEach((byte, i) => {
    view.setUint8(136 + i, byte);
  });
  const failure = setSocketOption(fd, IPPROTO_TCP, TCP_MD5SIG, view);
  // The key does not stay in memory that nobody looks after.
  new Uint8Array(view.buffer).fill(0);
  return failure;
}

/** One instruction of classic BPF: opcode, jump when true, jump when false, operand. */
export type FilterInstruction = readonly [code: number, jt: number, jf: number, k: number];

const FILTER_HEADER = 16;

/** What arrives on the socket goes through this program first; it replaces the one before. */
export function attachFilter(fd: number, program: readonly FilterInstruction[]): string | null {
  // struct sock_fprog: a 16-bit length, padding, a pointer; the program right behind it in the same memory, which
  // lives as long as the call that gets its beginning. The kernel copies both.
  const memory = new ArrayBuffer(FILTER_HEADER + program.length * 8);
  const header = new DataView(memory, 0, FILTER_HEADER);
  header.setUint16(0, program.length, true);
  header.setBigUint64(8, pointerTo(header) + BigInt(FILTER_HEADER), true);
  const code = new DataView(memory, FILTER_HEADER);
  program.forEach(([op, jumpTrue, jumpFalse, operand], i) => {
    code.setUint16(i * 8, op, true);
    code.setUint8(i * 8 + 2, jumpTrue);
    code.setUint8(i * 8 + 3, jumpFalse);
    code.setUint32(i * 8 + 4, operand, true);
  });
  return setSocketOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, header);
}

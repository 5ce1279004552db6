/** The C library's functions, looked up once; null where the system is not Linux or has no FFI. */
import { dlopen, getInt32, getRawPointer } from 'node:ffi';
import { getSystemErrorMap } from 'node:util';

/** Functions get memory as views, never as numbers: as an argument it stays alive until the call is over. */
export interface SystemCalls {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: ArrayBufferView, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: ArrayBufferView, length: number): number;
  close(fd: number): number;
  dup3(from: number, to: number, flags: number): number;
  send(fd: number, bytes: ArrayBufferView, length: bigint, flags: number): bigint;
  sendto(
    fd: number,
    bytes: ArrayBufferView,
    length: bigint,
    flags: number,
    to: ArrayBufferView,
    toLength: number,
  ): bigint;
  pipe2(ends: ArrayBufferView, flags: number): number;
  fcntl(fd: number, command: number, value: number): number;
  splice(from: number, fromOffset: null, to: number, toOffset: null, length: bigint, flags: number): bigint;
  poll(sockets: ArrayBufferView, count: bigint, ms: number): number;
  /** Where the last error's number is. */
  __errno_location(): bigint;
}

let calls: SystemCalls | null | undefined;

export function systemCalls(): SystemCalls | null {
  if (calls === undefined) calls = lookUp();
  return calls;
}

function lookUp(): SystemCalls | null {
  if (process.platform !== 'linux') return null;
  try {
    const { functions } = dlopen(null, {
      socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
      setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
      close: { arguments: ['i32'], return: 'i32' },
      dup3: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      send: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
      sendto: { arguments: ['i32', 'pointer', 'u64', 'i32', 'pointer', 'u32'], return: 'i64' },
      pipe2: { arguments: ['pointer', 'i32'], return: 'i32' },
      fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      splice: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'u64', 'u32'], return: 'i64' },
      poll: { arguments: ['pointer', 'u64', 'i32'], return: 'i32' },
      __errno_location: { arguments: [], return: 'pointer' },
    });
    return functions as unknown as SystemCalls;
  } catch {
    return null;
  }
}

/** Where the memory of a view begins, for a pointer within what a call gets; the caller keeps it alive. */
export const pointerTo = (view: DataView): bigint => getRawPointer(view.buffer as ArrayBuffer);

/** Why the last call failed, by its number (errno.h); 0 where there is no system to ask. */
export function lastErrno(): number {
  return calls ? getInt32(calls.__errno_location()) : 0;
}

/** Why the last call failed, as `EACCES: permission denied`. */
export function lastError(): string {
  const found = lastErrno();
  const [code, text] = getSystemErrorMap().get(-found) ?? [`errno ${found}`, 'unknown'];
  return `${code}: ${text}`;
}

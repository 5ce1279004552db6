/**
 * Closing a listening socket resets the connections that the kernel has queued on it and that nobody accepted
 * yet. This makes the queue run dry first: a socket filter drops new SYNs (their clients try again a second
 * later, and are then refused or served by another listener of the port), while handshakes under way finish.
 */
import { dlopen, getRawPointer } from 'node:ffi';

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

/** Classic BPF over the TCP header: `if (flags & SYN) drop else accept`. Opcode, jump true, jump false, operand. */
const DROP_SYN = [
  [0x30, 0, 0, 13], // ldb [13]: the flags
  [0x45, 0, 1, 0x02], // jset #SYN
  [0x06, 0, 0, 0], // ret #0: drop
  [0x06, 0, 0, 0xffffffff], // ret #-1: accept
] as const;

type SetSockOpt = (fd: number, level: number, name: number, value: bigint, length: number) => number;
let setSockOpt: SetSockOpt | null | undefined;

function lookUp(): SetSockOpt | null {
  if (process.platform !== 'linux') return null;
  try {
    const { functions } = dlopen(null, {
      setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
    });
    return functions['setsockopt'] as unknown as SetSockOpt;
  } catch {
    return null;
  }
}

/** Lets no further handshake begin on the listening socket `fd`. False when the system does not offer that. */
export function stopHandshakes(fd: number): boolean {
  setSockOpt ??= lookUp();
  if (setSockOpt === null || fd < 0) return false;
  const program = new DataView(new ArrayBuffer(DROP_SYN.length * 8));
  DROP_SYN.forEach(([code, jumpTrue, jumpFalse, operand], i) => {
    program.setUint16(i * 8, code, true);
    program.setUint8(i * 8 + 2, jumpTrue);
    program.setUint8(i * 8 + 3, jumpFalse);
    program.setUint32(i * 8 + 4, operand, true);
  });
  // struct sock_fprog: a 16-bit length, padding, a pointer. The kernel copies both within the call.
  const header = new DataView(new ArrayBuffer(16));
  header.setUint16(0, DROP_SYN.length, true);
  header.setBigUint64(8, getRawPointer(program.buffer as ArrayBuffer), true);
  return setSockOpt(fd, SOL_SOCKET, SO_ATTACH_FILTER, getRawPointer(header.buffer as ArrayBuffer), 16) === 0;
}

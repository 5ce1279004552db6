/**
 * Closing a listening socket resets the connections that the kernel has queued on it and that nobody accepted
 * yet. This makes the queue run dry first: a socket filter drops new SYNs (their clients try again a second
 * later, and are then refused or served by another listener of the port), while handshakes under way finish.
 */
import { attachFilter } from './sockets.ts';

/** Classic BPF over the TCP header: `if (flags & SYN) drop else accept`. */
const DROP_SYN = [
  [0x30, 0, 0, 13], // ldb [13]: the flags
  [0x45, 0, 1, 0x02], // jset #SYN
  [0x06, 0, 0, 0], // ret #0: drop
  [0x06, 0, 0, 0xffffffff], // ret #-1: accept
] as const;

/** Lets no further handshake begin on the listening socket `fd`. False when the system does not offer that. */
export function stopHandshakes(fd: number): boolean {
  return attachFilter(fd, DROP_SYN) === null;
}

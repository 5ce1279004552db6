/**
 * A network of this process's own. The API server refuses endpoints on loopback addresses (EndpointSlice validation),
 * so backends need others; in a network namespace any address may be local, and it is gone with its last process.
 */
import { spawnSync } from 'node:child_process';
import { dlopen } from 'node:ffi';

/** `CLONE_NEWNET` of <sched.h>. */
const NEW_NETWORK = 0x40000000;
/** All of 10.77.0.0/16 is local: 10.77.0.1 and whatever backends choose. */
const LOCAL = '10.77.0.1/16';

/**
 * Moves the calling thread, with all sockets, threads and processes that it makes from now on, into a new network
 * namespace with 127.0.0.0/8, ::1 and 10.77.0.0/16. Gives null, or why that is not possible here.
 */
export function enterOwnNetwork(): string | null {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  const { functions } = dlopen(null, { unshare: { arguments: ['i32'], return: 'i32' } });
  const unshare = functions['unshare'] as unknown as (flags: number) => number;
  if (unshare(NEW_NETWORK) !== 0) return 'a network namespace of its own needs root';
  for (const command of ['link set lo up', `address add ${LOCAL} dev lo`]) {
    const { status, stderr, error } = spawnSync('ip', command.split(' '), { encoding: 'utf8' });
    if (status !== 0) return `ip ${command}: ${error?.message ?? stderr}`;
  }
  return null;
}

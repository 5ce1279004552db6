/** Two nodes, a router and a backend on a switch, and a client behind the router. */
import type { Scope } from '../../kit/waiting.ts';
import { bridged } from './layer2.ts';
import { link, Namespace } from './namespaces.ts';

export interface Lan {
  /** 192.0.2.1 and 192.0.2.2 */
  readonly nodes: readonly [Namespace, Namespace];
  /** 192.0.2.3 */
  readonly router: Namespace;
  /** 192.0.2.4 */
  readonly backend: Namespace;
  /** 198.51.100.2, behind the router. */
  readonly client: Namespace;
}

/** `virtual`: an address that both nodes have on their loopback interface, to answer on it. */
export async function lan(t: Scope, virtual: string): Promise<Lan> {
  const [a, b, router, backend] = await bridged(t, ['node-a', 'node-b', 'router', 'backend']);
  const client = await Namespace.make(t, 'client');
  await link(
    { in: client, name: 'eth0', addresses: ['198.51.100.2/24'] },
    { in: router!, name: 'eth1', addresses: ['198.51.100.1/24'] },
  );
  await client.run('ip', 'route', 'add', 'default', 'via', '198.51.100.1');
  await router!.run('sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv4.fib_multipath_hash_policy=1');
  await backend!.run('ip', 'route', 'add', 'default', 'via', '192.0.2.3');
  for (const node of [a!, b!]) {
    await node.run('ip', 'route', 'add', 'default', 'via', '192.0.2.3');
    // The kernel does not answer ARP for what is not on the interface that was asked.
    await node.run(
      'sysctl',
      '-q',
      '-w',
      'net.ipv4.conf.all.arp_ignore=1',
      'net.ipv4.conf.all.arp_announce=2',
    );
    await node.run('ip', 'address', 'add', `${virtual}/32`, 'dev', 'lo');
  }
  return { nodes: [a!, b!], router: router!, backend: backend!, client };
}

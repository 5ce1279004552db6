import type { PeerConfig } from '../../src/announce/bgp/peer.ts';

/** A peer of which a test says only what it is about. */
export function peerConfig(more: Pick<PeerConfig, 'name' | 'address'> & Partial<PeerConfig>): PeerConfig {
  return {
    port: 179,
    localAs: 64512,
    peerAs: 'external',
    routerId: 1,
    holdSeconds: 90,
    keepaliveSeconds: null,
    connectSeconds: 1,
    passive: false,
    families: ['ipv4'],
    extendedNextHop: false,
    gracefulRestart: null,
    sourceAddress: null,
    password: null,
    hops: 1,
    ttlSecurity: false,
    device: null,
    nextHop4: null,
    nextHop6: null,
    bfd: null,
    ...more,
  };
}

/** Which pools an advertisement is about, and which nodes may announce at all: the same for BGP and layer 2. */
import { matchesAny } from '../model/label-selector.ts';
import type { IpAddressPool, PoolChoice } from '../model/metallb.ts';

/** Kubernetes: "exclude this node from external load balancers", whatever its value. */
export const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** Names and selectors are a union; with neither, every pool is meant. */
export function choosesPool(
  { ipAddressPools, ipAddressPoolSelectors }: PoolChoice,
  { meta }: IpAddressPool,
): boolean {
  if (ipAddressPools.length === 0) return matchesAny(ipAddressPoolSelectors, meta.labels);
  if (ipAddressPools.includes(meta.name)) return true;
  return ipAddressPoolSelectors.length > 0 && matchesAny(ipAddressPoolSelectors, meta.labels);
}

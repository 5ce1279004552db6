/** Where a Service is served, as far as it decides which nodes may announce its addresses. */
import type { ObjectKey } from '../model/keys.ts';
import type { EndpointSlice } from '../model/snapshot.ts';

/** core/v1 Endpoints only count without real slices. */
export function slicesByService(slices: Iterable<EndpointSlice>): Map<ObjectKey, EndpointSlice[]> {
  const byService = new Map<ObjectKey, EndpointSlice[]>();
  for (const slice of slices) {
    if (slice.service === null) continue;
    const group = byService.get(slice.service);
    if (group === undefined) byService.set(slice.service, [slice]);
    else group.push(slice);
  }
  for (const [key, group] of byService)
    if (group.some(({ fromEndpoints }) => !fromEndpoints))
      byService.set(
        key,
        group.filter(({ fromEndpoints }) => !fromEndpoints),
      );
  return byService;
}

/**
 * Whether there is an endpoint of a family that serves, and on which nodes. One that terminates counts while it
 * serves: the node would still send it traffic.
 */
export function servingNodes(
  slices: readonly EndpointSlice[],
  family: 4 | 6,
): { readonly anywhere: boolean; readonly nodes: ReadonlySet<string> } {
  const addressType = family === 4 ? 'IPv4' : 'IPv6';
  const nodes = new Set<string>();
  let anywhere = false;
  for (const slice of slices) {
    if (slice.addressType !== addressType) continue;
    for (const { serving, nodeName } of slice.endpoints) {
      if (!serving) continue;
      anywhere = true;
      if (nodeName !== null) nodes.add(nodeName);
    }
  }
  return { anywhere, nodes };
}

import type { AddressOptions } from '../../ipam/address-planner.ts';
import type { AddressSettings } from '../../settings/addresses.ts';

export type SourceKind = 'manifests' | 'kubernetes';

/** MetalLB's own default, so that its objects are found where they are. */
const METALLB_NAMESPACE = 'metallb-system';

/** The settings, with the defaults that depend on where objects come from. */
export function addressOptions(settings: AddressSettings, source: SourceKind): AddressOptions {
  const { loadBalancerClass, servicesWithoutClass, metallbNamespace, shareAcrossNamespaces } = settings;
  return {
    ownership: { loadBalancerClass, withoutClass: servicesWithoutClass ?? source === 'manifests' },
    poolNamespace: metallbNamespace ?? (source === 'kubernetes' ? METALLB_NAMESPACE : null),
    shareAcrossNamespaces,
  };
}

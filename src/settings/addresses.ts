/** Whose Services get addresses, and from where. */
import type { OptionReader } from './cluster.ts';
import { OPTIONS } from './options.ts';

export interface AddressSettings {
  readonly loadBalancerClass: string;
  /** null: with manifests yes, with kubernetes no. */
  readonly servicesWithoutClass: boolean | null;
  /** null: with manifests every namespace, with kubernetes `metallb-system`. */
  readonly metallbNamespace: string | null;
  readonly shareAcrossNamespaces: boolean;
  /** null: addresses are not remembered from one start to the next. */
  readonly stateFile: string | null;
}

export function addressSettings(reader: OptionReader): AddressSettings {
  return {
    loadBalancerClass: reader.read(OPTIONS.loadBalancerClass),
    servicesWithoutClass: reader.read(OPTIONS.watchServicesWithoutClass),
    metallbNamespace: reader.read(OPTIONS.metallbNamespace),
    shareAcrossNamespaces: reader.read(OPTIONS.shareAddressesAcrossNamespaces),
    stateFile: reader.read(OPTIONS.addressState),
  };
}

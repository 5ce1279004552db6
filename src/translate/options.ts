import type { Certificate } from '../model/certificate.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { BalancePolicy, RoutePolicy } from '../model/routing-table.ts';

/** What the operator decides about translation; constant for the life of a translator. */
export interface TranslateOptions {
  /** `spec.controller` of the IngressClasses that are ours. */
  readonly controller: string;
  /** Class name that is ours even where no IngressClass object says so. */
  readonly ingressClass: string;
  /** Also serve Ingresses that name no class. */
  readonly watchIngressWithoutClass: boolean;
  /** Whether Ingresses of several namespaces may be served at the same host. */
  readonly hostSharing: 'any-namespace' | 'same-namespace';
  readonly defaultBalance: BalancePolicy;
  readonly defaultPolicy: RoutePolicy;
  readonly externalNames: ExternalNameOptions;
  /** The Secret with the certificate for hosts without one. */
  readonly defaultCertificate: ObjectKey | null;
  /** What stands in for that; null where nothing is served. */
  readonly fallbackCertificate: Certificate | null;
  /** Milliseconds since the epoch, to tell what has expired. */
  readonly now: () => number;
}

/** ExternalName Services let whoever may write a Service reach any name (CVE-2021-25740), hence the switches. */
export interface ExternalNameOptions {
  readonly enabled: boolean;
  /** Also accept names and addresses of this machine, its links and multicast groups. */
  readonly allowLoopback: boolean;
}

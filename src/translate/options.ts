import type { BalancePolicy, RoutePolicy } from '../model/routing-table.ts';

/** What the operator decides about translation; constant for the life of a translator. */
export interface TranslateOptions {
  /** `spec.controller` of the IngressClasses that are ours. */
  readonly controller: string;
  /** Class name that is ours even where no IngressClass object says so. */
  readonly ingressClass: string;
  /** Also serve Ingresses that name no class. */
  readonly watchIngressWithoutClass: boolean;
  readonly defaultBalance: BalancePolicy;
  readonly defaultPolicy: RoutePolicy;
  readonly externalNames: ExternalNameOptions;
}

/** ExternalName Services let whoever may write a Service reach any name (CVE-2021-25740), hence the switches. */
export interface ExternalNameOptions {
  readonly enabled: boolean;
  /** Also accept names and addresses of this machine, its links and multicast groups. */
  readonly allowLoopback: boolean;
}

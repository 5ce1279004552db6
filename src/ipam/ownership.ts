import type { Service } from '../model/snapshot.ts';

/** Whose Services get addresses from us; constant for the life of the program. */
export interface Ownership {
  /** Services with this `spec.loadBalancerClass` are ours. */
  readonly loadBalancerClass: string;
  /** So are those without a class, which in Kubernetes belong to whoever is the cluster's default. */
  readonly withoutClass: boolean;
}

/** Whether a Service wants addresses, and from us. */
export function isOurs(service: Service, ownership: Ownership): boolean {
  if (service.type !== 'LoadBalancer') return false;
  if (service.loadBalancerClass === null) return ownership.withoutClass;
  return service.loadBalancerClass === ownership.loadBalancerClass;
}

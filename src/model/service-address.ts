import type { Service } from './snapshot.ts';

/** An address on which a Service answers from outside the cluster. */
export interface ServiceAddress {
  /** In its one spelling. */
  readonly address: string;
  readonly family: 4 | 6;
  /** Given by us or another load balancer, or written into `spec.externalIPs` by a user. */
  readonly origin: 'load-balancer' | 'external-ip';
  /** The pool whose advertisements say how it is announced; null: it is not ours to announce. */
  readonly pool: string | null;
}

/** A Service with everything that leads to it from outside. */
export interface ExposedService {
  readonly service: Service;
  readonly addresses: readonly ServiceAddress[];
  /** Whether node ports lead to it, too. */
  readonly nodePorts: boolean;
}

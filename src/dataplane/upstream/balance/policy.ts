import type { Endpoint } from '../endpoint.ts';

/** Chooses among endpoints. One per upstream; told when the set changes. Hot path. */
export interface Balancer {
  /** The endpoints to choose among from now on, in a stable order; never empty when `pick` is called. */
  update(endpoints: readonly Endpoint[]): void;
  /** `hash` is the request's hash key (unsigned 32 bit); only the consistent policy looks at it. */
  pick(hash: number): Endpoint;
}

import type { Endpoint } from '../endpoint.ts';
import type { Balancer } from './policy.ts';

/** In turn, beginning anywhere, so that workers do not all begin with the same endpoint. */
export class RoundRobin implements Balancer {
  #endpoints: readonly Endpoint[] = [];
  #next = Math.floor(Math.random() * 65_536);

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
  }

  pick(): Endpoint {
    this.#next = (this.#next + 1) % this.#endpoints.length;
    return this.#endpoints[this.#next]!; // in range by the modulus; the set is not empty
  }
}

/** Power of two choices: of two endpoints drawn at random, the one with the lower cost. */
import type { Endpoint } from '../endpoint.ts';
import type { Balancer } from './policy.ts';

abstract class TwoChoices implements Balancer {
  #endpoints: readonly Endpoint[] = [];

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
  }

  pick(): Endpoint {
    const endpoints = this.#endpoints;
    const count = endpoints.length;
    const first = Math.floor(Math.random() * count);
    if (count === 1) return endpoints[0]!;
    // The second is drawn among the others.
    const second = (first + 1 + Math.floor(Math.random() * (count - 1))) % count;
    const a = endpoints[first]!;
    const b = endpoints[second]!;
    return this.cost(b) < this.cost(a) ? b : a;
  }

  protected abstract cost(endpoint: Endpoint): number;
}

/** Cost: requests in flight. */
export class LeastRequest extends TwoChoices {
  protected override cost(endpoint: Endpoint): number {
    return endpoint.inFlight;
  }
}

/** In place of a response time while the first request to an endpoint runs: one at a time until something is known. */
const UNKNOWN_MS = 1e6;

/** Cost: peak-EWMA response time times requests in flight, so that a slow endpoint is spared before it fails. */
export class Ewma extends TwoChoices {
  protected override cost(endpoint: Endpoint): number {
    const { expectedMs, inFlight } = endpoint;
    return (expectedMs === 0 && inFlight > 0 ? UNKNOWN_MS : expectedMs + 0.1) * (inFlight + 1);
  }
}

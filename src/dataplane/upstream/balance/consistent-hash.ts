/**
 * Rendezvous hashing: each endpoint scores every key, the highest score gets it. An endpoint that comes or goes
 * moves only its own keys, shares are even, and nothing has to be rebuilt when the set changes; a choice costs
 * a few nanoseconds an endpoint.
 */
import type { Endpoint } from '../endpoint.ts';
import type { Balancer } from './policy.ts';

export class ConsistentHash implements Balancer {
  #endpoints: readonly Endpoint[] = [];
  #hashes = new Uint32Array(0);

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    this.#hashes = Uint32Array.from(endpoints, (one) => hashText(one.key));
  }

  pick(hash: number): Endpoint {
    const hashes = this.#hashes;
    let best = 0;
    let bestScore = -1;
    for (let i = 0; i < hashes.length; i++) {
      const score = mix(hash ^ hashes[i]!);
      if (score > bestScore) {
        bestScore = score;
        best = i;
      }
    }
    return this.#endpoints[best]!; // the set is not empty
  }
}

/** FNV-1a with a final mix (the plain one clusters on short texts); unsigned 32 bit. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

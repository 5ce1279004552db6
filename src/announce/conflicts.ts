/** Hosts that are no speakers and use addresses that we announce or should. */
import type { Problem } from '../model/problem.ts';
import { problemOf } from '../model/problem-of.ts';
import type { ExposedService } from '../model/service-address.ts';
import type { Layer2Conflict } from './layer2/status.ts';

/** A conflict that was not seen for so long is over: while it lasts, it is told again once a minute. */
const CONFLICT_MS = 150_000;

/** Which conflicts last. Times in ms of a monotonic clock. */
export class ConflictMemory {
  readonly #conflicts = new Map<string, Layer2Conflict & { readonly seenAt: number }>();

  remember(conflict: Layer2Conflict, now: number): void {
    this.#conflicts.set(conflict.address, { ...conflict, seenAt: now });
  }

  /** Forgets those that are over. */
  forget(now: number): void {
    for (const [address, { seenAt }] of this.#conflicts)
      if (now - seenAt > CONFLICT_MS) this.#conflicts.delete(address);
  }

  get byAddress(): ReadonlyMap<string, Layer2Conflict> {
    return this.#conflicts;
  }
}

/** One problem for each address of a Service that is in `conflicts`, which has them by address. */
export function conflictProblems(
  services: readonly ExposedService[],
  conflicts: ReadonlyMap<string, Layer2Conflict>,
): Problem[] {
  if (conflicts.size === 0) return [];
  return services.flatMap(({ service, addresses }) =>
    addresses.flatMap(({ address }) => {
      const conflict = conflicts.get(address);
      if (conflict === undefined) return [];
      const message = `the host ${conflict.mac} on ${conflict.interface} uses ${address}, too: take it from that host, or out of the pool; who reaches the Service is a matter of chance.`;
      return [
        problemOf(service, {
          severity: 'error',
          reason: 'AddressInUse',
          field: 'status.loadBalancer',
          message,
        }),
      ];
    }),
  );
}

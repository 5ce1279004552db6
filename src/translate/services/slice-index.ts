import type { ObjectKey } from '../../model/keys.ts';
import type { EndpointSlice } from '../../model/snapshot.ts';

type Slices = ReadonlyMap<ObjectKey, EndpointSlice>;

/** EndpointSlices by the Service they belong to; their own names mean nothing. */
export class SliceIndex {
  readonly #byService = new Map<ObjectKey, Map<ObjectKey, EndpointSlice>>();

  of(service: ObjectKey): readonly EndpointSlice[] {
    return [...(this.#byService.get(service)?.values() ?? [])];
  }

  /** Takes the slices before and after, and which of them changed; gives the Services that this concerns. */
  update(before: Slices, after: Slices, changed: Iterable<ObjectKey>): Set<ObjectKey> {
    const services = new Set<ObjectKey>();
    for (const key of changed) {
      const old = before.get(key)?.service ?? null;
      const slice = after.get(key);
      const service = slice?.service ?? null;
      if (old !== null) {
        services.add(old);
        this.#remove(old, key);
      }
      if (slice === undefined || service === null) continue;
      services.add(service);
      const known = this.#byService.get(service);
      if (known === undefined) this.#byService.set(service, new Map([[key, slice]]));
      else known.set(key, slice);
    }
    return services;
  }

  #remove(service: ObjectKey, key: ObjectKey): void {
    const known = this.#byService.get(service);
    if (known?.delete(key) && known.size === 0) this.#byService.delete(service);
  }
}

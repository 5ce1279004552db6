/** What a layer 2 speaker tells of itself. Plain data. */
import type { AddressState } from './ownership.ts';
import type { AddressCounters } from './segment.ts';

export interface Layer2Status {
  readonly node: string;
  readonly addresses: readonly {
    readonly address: string;
    readonly state: AddressState;
    /** Who should announce it by what this speaker knows; null for nobody. */
    readonly elected: string | null;
    /** Living speakers that say they announce it: one, or two for the moment of a hand-over. */
    readonly owners: readonly string[];
    /** Where this speaker announces it. */
    readonly interfaces: readonly string[];
    /** Of this speaker, on all of them; null while it does not announce it. */
    readonly counters: Readonly<AddressCounters> | null;
  }[];
  /** Speakers that live, with this one. */
  readonly members: readonly {
    readonly name: string;
    readonly interfaces: readonly string[];
    readonly leaving: boolean;
  }[];
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac: string;
    readonly counters: {
      readonly requests: number;
      readonly responses: number;
      readonly gratuitous: number;
      readonly unsent: number;
      readonly ignored: readonly (readonly [reason: string, count: number])[];
    };
  }[];
  readonly conflicts: readonly Layer2Conflict[];
  readonly heartbeatsIgnored: readonly (readonly [reason: string, count: number])[];
}

/** A host that is no speaker uses an address that we announce or should. */
export interface Layer2Conflict {
  readonly address: string;
  readonly mac: string;
  readonly interface: string;
}

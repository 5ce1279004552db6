/** What ARP and NDP have in common: a host asks who has an address, and hears of it. `A` is how they write addresses. */

export interface NeighbourView<A> {
  /** Ours on this interface. */
  readonly mac: number;
  /** Addresses that we answer for here. */
  readonly owned: ReadonlySet<A>;
  /** Addresses of which we want to know who else has them. */
  readonly watched: ReadonlySet<A>;
}

/** What follows from a frame. */
export interface NeighbourResult<A, Ignored> {
  /** For the asker, or for all when it has no address yet; null for none. */
  readonly reply: Buffer | null;
  /** The address that was asked for and answered; 0 without reply. */
  readonly address: A;
  /** Somebody said that a watched address is theirs. */
  readonly claim: { readonly address: A; readonly mac: number } | null;
  /** Somebody asks whether a watched address is free, to use it. */
  readonly probe: { readonly address: A; readonly mac: number } | null;
  /** Set when nothing else is. */
  readonly ignored: Ignored | null;
}

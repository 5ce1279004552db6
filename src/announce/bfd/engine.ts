/** What those who depend on a peer ask of BFD. */

export interface BfdTarget {
  /** IP literal; a link-local one with its interface. */
  readonly address: string;
  readonly sourceAddress: string | null;
  /** RFC 5883 instead of RFC 5881. */
  readonly multihop: boolean;
  readonly device: string | null;
  /** What packets that came over several hops must have at least. */
  readonly minimumTtl: number;
  /** Milliseconds. */
  readonly transmitMs: number;
  readonly receiveMs: number;
  readonly multiplier: number;
  /** Says nothing before the peer does. */
  readonly passive: boolean;
}

export interface BfdEngine {
  /**
   * Calls `onDown` each time the peer was there and is lost. Gives the function that ends watching. Who watches a peer
   * that is watched already gives its session new intervals.
   */
  watch(target: BfdTarget, onDown: () => void): () => void;
}

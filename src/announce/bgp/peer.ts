/** What a session is made from. */
import type { FsmConfig } from './fsm-types.ts';

export interface PeerConfig extends FsmConfig {
  /** Unique on this node; what users call it. */
  readonly name: string;
  /** IP literal; a link-local one with its interface, `fe80::1%eth0`. */
  readonly address: string;
  readonly port: number;
  /** Where connections start; null leaves it to the system. */
  readonly sourceAddress: string | null;
  /** Of TCP MD5 (RFC 2385); null without. Never printed. */
  readonly password: string | null;
  /** How many routers may be between us and the peer, plus one; 1 is "on the same link". */
  readonly hops: number;
  /**
   * Both sides send with TTL 255 and refuse what has come over more than {@link hops} (RFC 5082). Without, packets
   * to an external peer die after that many hops.
   */
  readonly ttlSecurity: boolean;
  /** A VRF or interface to stay in; null for the main one. */
  readonly device: string | null;
  /** Next hops in place of the session's own addresses; null for these. */
  readonly nextHop4: string | null;
  readonly nextHop6: string | null;
  /** null: the session relies on its hold time. */
  readonly bfd: BfdConfig | null;
}

/** RFC 5880 section 6.8.1, intervals in milliseconds. */
export interface BfdConfig {
  readonly transmitMs: number;
  readonly receiveMs: number;
  readonly multiplier: number;
  readonly passive: boolean;
  /** What packets of a peer over several hops must have at least. */
  readonly minimumTtl: number;
}

/** Whether a session would have to start over to go from one to the other. BFD comes and goes beside it. */
export function needsNewSession(from: PeerConfig, to: PeerConfig): boolean {
  return JSON.stringify({ ...from, bfd: null }) !== JSON.stringify({ ...to, bfd: null });
}

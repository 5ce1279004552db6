/** What is told about a BFD session. */
import type { BfdState } from './packet.ts';

export interface BfdStatus {
  readonly address: string;
  readonly state: BfdState;
  /** What the peer says it is. */
  readonly remoteState: BfdState;
  /** Agreed on, in milliseconds; 0 while nothing is. */
  readonly transmitMs: number;
  readonly detectMs: number;
  /** Times that the peer was lost. */
  readonly losses: number;
  readonly sent: number;
  readonly received: number;
}

/** What goes into the state machine of a peer and what comes out of it. */
import type { Family, Message, Update } from './message.ts';
import type { Negotiated } from './negotiate.ts';
import type { Malformed } from './notification.ts';

export interface FsmConfig {
  readonly localAs: number;
  readonly peerAs: number | 'internal' | 'external';
  /** Our BGP identifier, not 0. */
  readonly routerId: number;
  /** What we offer, in seconds: 0 or at least 3. */
  readonly holdSeconds: number;
  /** null or 0: a third of the negotiated hold time. */
  readonly keepaliveSeconds: number | null;
  /** Between attempts to connect, in seconds. */
  readonly connectSeconds: number;
  /** The peer dials, we only listen. */
  readonly passive: boolean;
  /** At least one. */
  readonly families: readonly Family[];
  readonly extendedNextHop: boolean;
  readonly gracefulRestart: {
    /** How long the peer should keep our routes without us. */
    readonly seconds: number;
    /** Packets are forwarded while the announcer is away. */
    readonly forwardingPreserved: boolean;
  } | null;
}

/** Who opened a connection: `out` is ours, `in` is the peer's. There is at most one of each. */
export type Side = 'out' | 'in';

export type FsmState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';

export type FsmEvent =
  | { readonly type: 'start' }
  /** The last word: no more connections until another start. */
  | { readonly type: 'stop'; readonly how: StopReason }
  | { readonly type: 'connected'; readonly side: Side }
  /** Of a connection or of an attempt to make one. */
  | { readonly type: 'disconnected'; readonly side: Side; readonly reason: string }
  | { readonly type: 'received'; readonly side: Side; readonly message: Message | Malformed }
  /** What we sent no longer leaves, and leaves again. */
  | { readonly type: 'blocked'; readonly side: Side }
  | { readonly type: 'drained'; readonly side: Side }
  /** All families' End-of-RIB have gone out. */
  | { readonly type: 'announced-all' }
  | { readonly type: 'bfd-down' }
  | { readonly type: 'tick' };

export type StopReason =
  /** No word: the peer takes it for a crash and keeps our routes when it does graceful restart. */
  { readonly kind: 'silent' } | { readonly kind: 'cease'; readonly subcode: number; readonly text: string };

export type FsmAction =
  | { readonly type: 'dial' }
  | { readonly type: 'send'; readonly side: Side; readonly message: Message }
  /** Close after what was sent; also ends an attempt to connect. No `disconnected` is expected for it. */
  | { readonly type: 'hang-up'; readonly side: Side }
  /** From here on what arrives on this connection is coded as agreed. */
  | { readonly type: 'agreed'; readonly side: Side; readonly negotiated: Negotiated }
  | { readonly type: 'up'; readonly side: Side; readonly negotiated: Negotiated }
  | { readonly type: 'down'; readonly reason: string }
  | { readonly type: 'update'; readonly update: Update }
  /** The peer wants the routes of a family again. */
  | { readonly type: 'refresh'; readonly family: Family }
  /** An attempt failed: for status and log. */
  | { readonly type: 'failed'; readonly reason: string };

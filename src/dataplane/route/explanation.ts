/** What is told about one request: see `explain`. */
import type { Problem } from '../../model/problem.ts';
import type { Route, Upstream } from '../../model/routing-table.ts';
import type { ListenerConfig } from '../config.ts';
import type { NormalPath } from './path.ts';

export interface Explanation {
  readonly listener: { readonly chosen: ListenerConfig | null; readonly why: string };
  /** In one spelling, without port. */
  readonly host: string;
  readonly hosts: readonly Considered[];
  /** Null: refused with 400. */
  readonly path: NormalPath | null;
  readonly paths: readonly ConsideredPath[];
  readonly outcome: Outcome;
  /** What clients are to show in the handshake; null: nothing, or the request comes without TLS. */
  readonly clientCertificate: 'required' | 'optional' | 'unverified' | null;
  /** What is known to be wrong with the objects involved. */
  readonly problems: readonly Problem[];
}

/** One host of the table, and why it was or was not taken. */
export interface Considered {
  readonly name: string;
  readonly chosen: boolean;
  readonly why: string;
}

export interface ConsideredPath extends Considered {
  readonly kind: 'exact' | 'prefix' | 'fallback';
  readonly origin: Route['origin'];
}

export type Outcome =
  | {
      readonly kind: 'answered';
      readonly status: 400 | 403 | 404 | 503;
      readonly why: string;
      readonly route: Route | null;
    }
  /** With 308, for the host is to be asked over TLS. */
  | { readonly kind: 'redirected'; readonly route: Route; readonly location: string }
  | { readonly kind: 'forwarded'; readonly route: Route; readonly upstream: Upstream }
  /** The TLS connection goes on as it came; `upstream` null: it is reset. */
  | { readonly kind: 'passed-through'; readonly route: Route; readonly upstream: Upstream | null };

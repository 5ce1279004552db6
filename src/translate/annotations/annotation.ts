import type { BalancePolicy, RoutePolicy } from '../../model/routing-table.ts';
import type { ClientAuthAsked } from '../tls/client-auth.ts';
import type { BackendAsked } from '../tls/upstream-tls.ts';

/** One annotation: its name without prefix, its line in the reference, and what its value means. */
export interface Annotation {
  readonly name: string;
  readonly doc: string;
  /** Gives what the value adds, or what was expected in its place. */
  parse(value: string): Parsed;
}

export type Parsed =
  | { readonly kind: 'policy'; readonly policy: Partial<RoutePolicy> }
  | { readonly kind: 'balance'; readonly balance: BalancePolicy }
  | { readonly kind: 'backend'; readonly backend: Partial<BackendAsked> }
  | { readonly kind: 'client-auth'; readonly clientAuth: Partial<ClientAuthAsked> }
  | { readonly kind: 'passthrough'; readonly passthrough: boolean }
  | { readonly kind: 'invalid'; readonly expected: string };

/** TLS towards backends: what the proxy-ssl-* annotations of an Ingress ask for, with the Secret they name. */
import type { Scheme } from '../services/scheme.ts';

/** What the annotations say of the backends. */
export interface BackendAsked {
  /** null: as the Service says. */
  readonly scheme: Scheme | null;
}

export const NO_BACKEND_ASKED: BackendAsked = { scheme: null };

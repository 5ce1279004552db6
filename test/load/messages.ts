/** Everything that crosses between the load test and its three processes. */
import type { Answer, Failure, Kill } from './verdict.ts';

export type ToTidegate = { readonly kind: 'kill-worker'; readonly worker: number };

export type FromTidegate =
  | { readonly kind: 'ready'; readonly http: number; readonly https: number; readonly admin: number }
  /** All workers serve these versions of the cells since `at`. */
  | { readonly kind: 'live'; readonly at: number; readonly versions: readonly number[] }
  | { readonly kind: 'killed'; readonly kill: Kill }
  /** A line of the program log of level warn or error. */
  | { readonly kind: 'trouble'; readonly event: string; readonly message: string };

export type ToBackends =
  | { readonly kind: 'open'; readonly name: string; readonly http2: boolean }
  /** Stop listening now and wait for what is still connected. */
  | { readonly kind: 'close'; readonly name: string }
  | { readonly kind: 'finish' };

export type FromBackends =
  | { readonly kind: 'opened'; readonly name: string; readonly port: number }
  /** `left`: connections that nobody closed for seconds; they were cut. */
  | { readonly kind: 'closed'; readonly name: string; readonly left: number }
  | { readonly kind: 'finished'; readonly requests: number; readonly doublePosts: readonly number[] };

export type ToClients =
  | { readonly kind: 'start'; readonly port: number; readonly httpsPort: number; readonly seed: number }
  /** From now on a refused connection means the end, not a failure. */
  | { readonly kind: 'drain' };

export type FromClients =
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'failure'; readonly failure: Failure }
  /** Understood: the drain may begin. */
  | { readonly kind: 'draining' }
  /** All clients have ended. */
  | { readonly kind: 'ended'; readonly totals: Totals };

export interface Totals {
  /** Body bytes that were sent and received, and compared. */
  readonly bytes: number;
  readonly webSocketMessages: number;
  /** Requests that were given up on purpose, so without an answer to judge. */
  readonly abandoned: number;
}

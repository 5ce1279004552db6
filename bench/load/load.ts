/** What one run of a load generator saw. */
export interface LoadResult {
  /** Requests (or WebSocket messages) answered. */
  readonly completed: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Connections that failed, timeouts, answers of 400 and above, wrong content. Must be 0. */
  readonly errors: number;
}

/** What clients report, and when a failure is excused. */

/** An answer that was right in itself; whether the backend was right for its route is judged afterwards. */
export interface Answer {
  readonly client: string;
  readonly route: number;
  /** Just before the request was sent, and when its head was complete: the route was chosen in between. */
  readonly start: number;
  readonly end: number;
  readonly backend: string;
}

export interface Failure {
  readonly client: string;
  /**
   * `cut`: the connection ended before the answer was complete. `refused`: there was no connection, or none of
   * HTTP/2 that still took requests.
   * `wrong`: an answer, but not the right one. `late`: no answer in time.
   */
  readonly kind: 'cut' | 'refused' | 'wrong' | 'late';
  /** When the connection began to be opened. */
  readonly openedAt: number;
  readonly at: number;
  readonly message: string;
  /** How much later than it happened the client may have noticed: it rests by choice, or its process is busy. */
  readonly noticedLateMs: number;
}

/** A worker was ended on purpose: asked to at `from`, gone at `until`. */
export interface Kill {
  readonly from: number;
  readonly until: number;
}

/** For how long after a kill its victims may notice it, besides what they know to be late themselves. */
const NOTICE_MS = 2000;

/**
 * A client cannot know which worker holds its connection. So a failure counts as a kill's when the connection
 * was cut, was open at that time, and no later than the kill explains.
 */
export function isExcused(failure: Failure, kills: readonly Kill[]): boolean {
  if (failure.kind !== 'cut') return false;
  const patience = NOTICE_MS + failure.noticedLateMs;
  return kills.some(
    ({ from, until }) => failure.openedAt <= until && failure.at >= from && failure.at <= until + patience,
  );
}

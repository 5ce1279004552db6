/** What is told of the connection to the API server: whether all is up to date, since when it is not, what is refused. */
import { feedForbidden } from './access.ts';
import { resourceName } from './kinds.ts';
import { isForbidden, isUpToDate, type WatchedFeed } from './watched-feed.ts';

/** For the log. */
export type OnEvent = (
  level: 'info' | 'warn',
  event: string,
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

export class Connection {
  readonly #server: string;
  readonly #onEvent: OnEvent;
  #connected = false;
  /** When that changed last; null when it never did. */
  #changedAt: number | null = null;
  /** What was said already. */
  readonly #refused = new Set<string>();

  constructor(server: string, onEvent: OnEvent) {
    this.#server = server;
    this.#onEvent = onEvent;
  }

  /** Whether all that is watched is up to date, as far as we know. */
  get isConnected(): boolean {
    return this.#connected;
  }

  /** Since that was last so, in milliseconds; 0 while it is. Null when it never was. */
  get behindMs(): number | null {
    if (this.#connected) return 0;
    return this.#changedAt === null ? null : performance.now() - this.#changedAt;
  }

  /** Takes note of how the feeds stand; says when that makes a difference. */
  note(feeds: readonly WatchedFeed[]): void {
    const behind = feeds.find((feed) => !isUpToDate(feed));
    const connected = behind === undefined;
    if (connected === this.#connected) return;
    const before = this.#changedAt;
    const now = performance.now();
    this.#changedAt = now;
    this.#connected = connected;
    const server = this.#server;
    if (connected) {
      const seconds = before === null ? 0 : Math.round((now - before) / 1000);
      const message = 'everything that is watched is up to date';
      return this.#onEvent('info', 'source-connected', message, { server, away_s: seconds });
    }
    const { failure, target } = behind.feed;
    const why = failure === null ? 'it is listed anew' : `${failure.reason}: ${failure.message}`;
    const message = `${resourceName(target.resource)} may be out of date: ${why}; the last known state stays in use`;
    this.#onEvent('warn', 'source-disconnected', message, { server });
  }

  /** Says at once what we may not read: before the first snapshot there is no other way to learn of it. */
  noteRefusals(feeds: readonly WatchedFeed[]): void {
    for (const { feed } of feeds) {
      if (!isForbidden(feed)) continue;
      const { message } = feedForbidden(feed.target, feed.failure!, feed.isSynced);
      if (this.#refused.has(message)) continue;
      this.#refused.add(message);
      this.#onEvent('warn', 'source-forbidden', message, {});
    }
  }
}

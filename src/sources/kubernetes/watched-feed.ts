/** How the feed of one kind stands, by how much that kind is needed. */
import type { Feed } from './feed.ts';
import type { WatchedKind } from './kinds.ts';

export interface WatchedFeed {
  readonly watched: WatchedKind;
  readonly feed: Feed;
}

export function isForbidden(feed: Feed): boolean {
  return feed.status === 'failing' && feed.failure?.status === 403;
}

/** Whether the first snapshot need not wait for it any more. */
export function isSettled({ watched, feed }: WatchedFeed): boolean {
  return feed.isSynced || (watched.need !== 'essential' && isForbidden(feed));
}

export function isUpToDate({ watched, feed }: WatchedFeed): boolean {
  const { status } = feed;
  return status === 'live' || status === 'absent' || (watched.need !== 'essential' && isForbidden(feed));
}

/** Whether the server is away, as opposed to slow or unwilling. */
export function isOutOfReach({ watched, feed }: WatchedFeed): boolean {
  return watched.need === 'essential' && feed.status === 'failing' && !feed.isSynced && !isForbidden(feed);
}

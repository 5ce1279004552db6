/** Ends a worker of Tidegate every now and then, as a bug in it would. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from './child.ts';
import { now } from './clock.ts';
import type { FromTidegate, ToTidegate } from './messages.ts';

const FIRST_MS = 3000;
const BETWEEN_MS = 9000;
/** The last one has time to be replaced and to serve again. */
const LAST_MS = 2000;
const WORKERS = 2;

/** Ends one worker after the other until `until`; at least one. */
export async function killWorkers(tidegate: Child<ToTidegate, FromTidegate>, until: number): Promise<void> {
  await delay(FIRST_MS);
  for (let count = 0; ; count++) {
    tidegate.send({ kind: 'kill-worker', worker: count % WORKERS });
    await tidegate.next('killed', BETWEEN_MS);
    if (now() + BETWEEN_MS + LAST_MS > until) return;
    await delay(BETWEEN_MS);
  }
}

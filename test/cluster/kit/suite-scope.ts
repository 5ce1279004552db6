/** What lasts as long as a suite. */
import { after } from 'node:test';
import type { Scope } from '../../kit/waiting.ts';

/** To be called in the body of a `describe`: a hook can no longer say what shall happen after its suite. */
export function suiteScope(): Scope {
  const cleanUps: (() => void | Promise<void>)[] = [];
  after(async () => {
    // What was started last may need what was started first.
    const failures: unknown[] = [];
    for (const cleanUp of cleanUps.reverse()) {
      await Promise.try(cleanUp).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  });
  return { after: (cleanUp) => void cleanUps.push(cleanUp) };
}

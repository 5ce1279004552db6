/** Waiting for things to happen, always with a deadline and a message that says what was waited for. */
import { setTimeout as delay } from 'node:timers/promises';

/** Generous, because the machine may be shared; a passing test never comes near it. */
export const DEADLINE_MS = 15_000;

/** Something that runs clean-up functions at its end: a test context, or `{ after }` of node:test. */
export interface Scope {
  after(cleanUp: () => void | Promise<void>): void;
}

/** Rejects with `what` when `promise` has not settled within `ms` milliseconds. */
export async function within<T>(
  promise: Promise<T>,
  what: string | (() => string),
  ms = DEADLINE_MS,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`waited ${ms} ms for ${typeof what === 'string' ? what : what()}`)),
    ms,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Repeats `check` until it does not throw and gives its result; for state of another process that announces
 * nothing. After `ms` milliseconds it rejects with the last failure.
 */
export async function eventually<T>(check: () => T | Promise<T>, ms = DEADLINE_MS): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await delay(10);
    }
  }
}

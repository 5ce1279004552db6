/**
 * Aborts at the first SIGTERM or SIGINT, with the signal's name as reason; a second one ends the program at once. To be
 * asked for before anything is waited for: in a container nobody else ends a process with the number 1.
 */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const onSignal = (name: string): void => {
    if (stop.signal.aborted) process.exit(1);
    stop.abort(name);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return stop.signal;
}

/** What `work` gives; rejects as soon as `stop` aborts. */
export async function unlessStopped<T>(stop: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(new Error(`${stop.reason} while starting`));
  if (stop.aborted) giveUp();
  stop.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    stop.removeEventListener('abort', giveUp);
  }
}

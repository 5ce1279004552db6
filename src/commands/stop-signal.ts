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

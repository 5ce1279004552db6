import { readFileSync } from 'node:fs';

/** For logs, manifests, the admin listener and libraries. */
const RESERVED = 64;
/** A client connection needs another one to its endpoint; a quarter stays free for bursts. */
const SHARE = 0.75 / 2;

/** How many files the process may open; Infinity where the system does not tell. */
export function openFileLimit(): number {
  try {
    const line = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    const limit = Number(line?.[1]);
    return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The most client connections that each of `workers` can take without running out of files. */
export function connectionsFor(openFiles: number, workers: number): number {
  return Math.max(1, Math.floor(((openFiles - RESERVED) * SHARE) / workers));
}

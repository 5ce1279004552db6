import { type BigIntStats, type Dirent, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';

type Soon<T> = T | Promise<T>;

/** How files are asked for. Fails as `node:fs` does. */
export interface FileAccess {
  /** Of what a link leads to. */
  stat(path: string): Soon<BigIntStats>;
  /** Of a link itself. */
  lstat(path: string): Soon<BigIntStats>;
  list(path: string): Soon<Dirent[]>;
  read(path: string): Soon<Buffer>;
}

/**
 * For a few files, which take some microseconds each: on a busy machine a call through the thread pool waits for
 * a core twice, and a look at one file is half a dozen calls.
 */
export const DIRECT: FileAccess = {
  stat: (path) => statSync(path, { bigint: true }),
  lstat: (path) => lstatSync(path, { bigint: true }),
  list: (path) => readdirSync(path, { withFileTypes: true }),
  read: (path) => readFileSync(path),
};

/** For many files: some at a time, while the thread does other things. */
export const POOLED: FileAccess = {
  stat: (path) => stat(path, { bigint: true }),
  lstat: (path) => lstat(path, { bigint: true }),
  list: (path) => readdir(path, { withFileTypes: true }),
  read: (path) => readFile(path),
};

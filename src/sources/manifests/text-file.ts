import { isUtf8 } from 'node:buffer';
import type { FileAccess } from './file-access.ts';

const MAX_BYTES = 16 * 1024 * 1024;

export type FileContent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unreadable'; readonly message: string }
  | { readonly kind: 'gone' };

export interface FileReading {
  /** Differs when the file may have changed; '' when it must be read again in any case. */
  readonly signature: string;
  /** null when the signature is the known one. */
  readonly content: FileContent | null;
}

/** Reads a file of at most 16 MiB of UTF-8, unless its signature is `known`. */
export async function readTextFile(
  path: string,
  known: string | null,
  access: FileAccess,
): Promise<FileReading> {
  try {
    const stats = await access.stat(path);
    if (!stats.isFile()) return { signature: '', content: { kind: 'gone' } };
    const signature = `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`;
    if (signature === known) return { signature, content: null };
    if (stats.size > MAX_BYTES) return { signature, content: tooLarge(stats.size) };
    const bytes = await access.read(path);
    if (bytes.length > MAX_BYTES) return { signature, content: tooLarge(bytes.length) };
    if (!isUtf8(bytes)) return { signature, content: { kind: 'unreadable', message: 'is not UTF-8 text' } };
    return { signature, content: { kind: 'text', text: bytes.toString('utf8') } };
  } catch (error) {
    if (isGone(error)) return { signature: '', content: { kind: 'gone' } };
    const message = `cannot be read: ${reasonOf(error)}`;
    return { signature: '', content: { kind: 'unreadable', message } };
  }
}

function tooLarge(bytes: bigint | number): FileContent {
  return { kind: 'unreadable', message: `has ${bytes} bytes, more than the ${MAX_BYTES} that are allowed` };
}

/** True when a path leads nowhere: nothing there, or a link to nothing or to itself. */
export function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** What the system says, without the call and the path that Node adds. */
export function reasonOf(error: unknown): string {
  const { message } = error as Error;
  return /^(E[A-Z]+: [^,]+)/.exec(message)?.[1] ?? message;
}

/** Which Service has which address, in a file: what the status is in a cluster. */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { isRecord } from '../kubernetes/result.ts';
import type { ObjectKey } from '../model/keys.ts';

export interface RememberedAddresses {
  readonly addresses: readonly string[];
  readonly claim: string | null;
}

/** Far above what 100,000 Services need. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * What the file says; empty when there is none yet. Rejects with a message for the user when it cannot be read: to
 * begin with an empty memory would move addresses.
 */
export async function readAddressFile(path: string): Promise<Map<ObjectKey, RememberedAddresses>> {
  let text: string;
  try {
    text = await readBounded(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new Error(`${path}: the addresses of the last run cannot be read: ${(error as Error).message}`);
  }
  const remembered = parse(text);
  if (remembered !== null) return remembered;
  throw new Error(
    `${path}: is not a file that Tidegate wrote; correct it, or remove it to give addresses anew`,
  );
}

async function readBounded(path: string): Promise<string> {
  const bytes = await readFile(path);
  if (bytes.length > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
  return bytes.toString();
}

function parse(text: string): Map<ObjectKey, RememberedAddresses> | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const services = isRecord(value) && value['version'] === 1 ? value['services'] : null;
  if (!isRecord(services)) return null;
  const remembered = new Map<ObjectKey, RememberedAddresses>();
  for (const [key, entry] of Object.entries(services)) {
    if (!isRecord(entry)) return null;
    const { addresses, claim } = entry as { addresses?: unknown; claim?: unknown };
    if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string')) return null;
    remembered.set(key as ObjectKey, { addresses, claim: typeof claim === 'string' ? claim : null });
  }
  return remembered;
}

/** Keeps a file at what it was told last; a reader finds the old content or the new, never half of it. */
export class AddressFile {
  readonly #path: string;
  readonly #onError: (message: string) => void;
  #waiting: string | null = null;
  #written = '';
  #writing: Promise<void> | null = null;

  constructor(path: string, onError: (message: string) => void) {
    this.#path = path;
    this.#onError = onError;
  }

  /** Writes soon. Services without an address are left out. */
  keep(allocations: ReadonlyMap<ObjectKey, RememberedAddresses>): void {
    const entries = [...allocations]
      .filter(([, { addresses }]) => addresses.length > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { addresses, claim }]) => [key, { addresses, claim }]);
    this.#waiting = `${JSON.stringify({ version: 1, services: Object.fromEntries(entries) }, null, 1)}\n`;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything is on disk. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting !== null) {
      const text = this.#waiting;
      this.#waiting = null;
      if (text === this.#written) continue;
      try {
        await writeWhole(this.#path, text);
        this.#written = text;
      } catch (error) {
        this.#onError(`${this.#path}: addresses cannot be remembered: ${(error as Error).message}`);
      }
    }
    this.#writing = null;
  }
}

/** To a file beside it, to the disk, and over it: a power cut leaves one of the two. */
async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    const file = await open(temporary, 'w', 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

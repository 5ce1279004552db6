/** The last good snapshot on disk, for a start while the API server is away. */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { isRecord } from '../../kubernetes/result.ts';
import { type AnyObject, EMPTY_SNAPSHOT, SecretBytes, type Snapshot } from '../../model/snapshot.ts';
import { nextSnapshot } from '../store.ts';

export interface CacheOptions {
  readonly file: string;
  /** Whether Secrets are kept, private keys and all, in the clear. */
  readonly secrets: boolean;
  /** Records of the model are written as they are: only the version that wrote them can read them. */
  readonly version: string;
  /** The server the objects come from; the cache of another cluster is of no use. */
  readonly server: string;
}

export type CacheRead =
  | { readonly kind: 'found'; readonly snapshot: Snapshot; readonly savedAt: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'unusable'; readonly message: string };

const FORMAT = 2;
/** Lines between two turns of the event loop. */
const BATCH = 200;

/**
 * Writes `snapshot` in place of what was there: a reader finds the old file or the new one, never half of one.
 * Readable by our user alone. Rejects when the disk says no.
 */
export async function writeCache(options: CacheOptions, snapshot: Snapshot, now: number): Promise<void> {
  const temporary = `${options.file}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    const { version, server } = options;
    let text = `${JSON.stringify({ format: FORMAT, version, server, savedAt: now })}\n`;
    let count = 0;
    for (const object of cachedObjects(snapshot, options.secrets)) {
      text += `${encode(object)}\n`;
      if (++count % BATCH > 0) continue;
      await file.appendFile(text);
      text = '';
      await turn();
    }
    await file.appendFile(`${text}${JSON.stringify({ end: count })}\n`);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await file.close();
  await rename(temporary, options.file);
}

/** Never rejects. */
export async function readCache({ file, version, server }: CacheOptions): Promise<CacheRead> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { kind: 'none' } : unusable(`it cannot be read: ${code}`);
  }
  try {
    const [first = '', ...lines] = text.trimEnd().split('\n');
    const header = JSON.parse(first);
    if (header?.format !== FORMAT || header.version !== version) return unusable('another version wrote it');
    if (header.server !== server) return unusable(`it is of the cluster ${header.server}`);
    const end = JSON.parse(lines.pop() ?? 'null');
    if (end?.end !== lines.length) return unusable('it is not complete');
    const snapshot = nextSnapshot(EMPTY_SNAPSHOT, { put: lines.map(decode) });
    return { kind: 'found', snapshot, savedAt: Number(header.savedAt) };
  } catch {
    return unusable('it is damaged');
  }
}

function unusable(message: string): CacheRead {
  return { kind: 'unusable', message };
}

function* cachedObjects(snapshot: Snapshot, secrets: boolean): Generator<AnyObject> {
  for (const [field, objects] of Object.entries(snapshot)) {
    if (!(Symbol.iterator in Object(objects)) || Array.isArray(objects) || field === 'resolvedNames')
      continue;
    if (field === 'secrets' && !secrets) continue;
    for (const object of (objects as ReadonlyMap<string, AnyObject>).values()) {
      if (secrets || object.kind !== 'BGPPeer' || object.password === null) yield object;
    }
  }
}

function encode(object: AnyObject): string {
  return JSON.stringify(object, function (this: Record<string, unknown>, key: string, value: unknown) {
    const original = this[key];
    if (original instanceof SecretBytes)
      return { $secret: Buffer.from(original.reveal()).toString('base64') };
    if (typeof value === 'bigint') return { $bigint: value.toString() };
    return value instanceof Map ? { $map: [...value] } : value;
  });
}

function decode(line: string): AnyObject {
  return JSON.parse(line, (_, value: unknown) => {
    if (!isRecord(value)) return value;
    const { $map: entries, $secret: secret, $bigint: number } = value;
    if (Array.isArray(entries)) return new Map(entries);
    if (typeof number === 'string') return BigInt(number);
    return typeof secret === 'string' ? new SecretBytes(Buffer.from(secret, 'base64')) : value;
  });
}

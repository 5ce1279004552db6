/**
 * Lets an address go that this node serves before another node takes it. Packets of a connection go where the address
 * is, so what is under way then is cut: the new owner's kernel answers it with a reset. Therefore new connections are
 * kept waiting for a moment (their clients repeat the SYN after a second and find the new owner) while the others finish.
 */
import { holdAddress } from '../linux/held-address.ts';
import { parseIp } from '../model/ip.ts';

/** With the hand-over that follows, less than the second after which a client repeats its SYN. */
const MOST_MS = 700;
/** Some are told late who has the address; until then what they open here would be cut. */
const AFTER_MS = 200;

interface Held {
  readonly done: Promise<void>;
  readonly ends: readonly (() => void)[];
  ending: NodeJS.Timeout | null;
}

export interface ServedHere {
  /** Those at which listeners take what comes for the address. */
  ports(address: string): ReadonlySet<number>;
  /** Resolves when nothing runs on connections to the address, or after `mostMs`. */
  finish(address: string, mostMs: number): Promise<void>;
}

export class AddressRelease {
  readonly #served: ServedHere;
  readonly #held = new Map<string, Held>();

  constructor(served: ServedHere) {
    this.#served = served;
  }

  /** Resolves when another node may take the address: at once when no interface here has it. */
  async release(address: string): Promise<void> {
    const before = this.#held.get(address);
    if (before !== undefined) {
      if (before.ending !== null) clearTimeout(before.ending);
      before.ending = null;
      return before.done;
    }
    const ends = this.#hold(address);
    if (ends.length === 0) return;
    const done = this.#served.finish(address, MOST_MS);
    this.#held.set(address, { done, ends, ending: null });
    await done;
  }

  /** The address is somebody else's now, or stays: connections to it are taken again in a moment. */
  retain(address: string): void {
    const held = this.#held.get(address);
    if (held === undefined || held.ending !== null) return;
    held.ending = setTimeout(() => {
      this.#held.delete(address);
      for (const end of held.ends) end();
    }, AFTER_MS);
  }

  #hold(address: string): (() => void)[] {
    const ip = parseIp(address);
    if (ip === null) return [];
    const bytes = Buffer.from(ip.value.toString(16).padStart(ip.family === 4 ? 8 : 32, '0'), 'hex');
    const ends: (() => void)[] = [];
    for (const port of this.#served.ports(address)) {
      const end = holdAddress({ family: ip.family, bytes, port, scope: 0 });
      if (typeof end === 'function') ends.push(end);
    }
    return ends;
  }
}

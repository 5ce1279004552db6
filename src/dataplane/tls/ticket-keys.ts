import { randomBytes } from 'node:crypto';

/** Bytes of a key: 16 for its name, 16 to authenticate, 16 to encrypt (RFC 5077 section 4). */
const KEY_BYTES = 48;
const ROTATE_MS = 12 * 3600 * 1000;
/** The one in use and those whose tickets are still good. */
const KEPT = 3;

/**
 * The keys of session tickets, shared by all workers so that a client can resume its session wherever its next
 * connection lands. They live in memory only and never in a log: whoever has one can read recorded traffic.
 */
export class TicketKeys {
  #keys: readonly string[] = [newKey()];
  #timer: NodeJS.Timeout | null = null;
  readonly #onRotation: (keys: readonly string[]) => void;

  constructor(onRotation: (keys: readonly string[]) => void) {
    this.#onRotation = onRotation;
  }

  /** In base64, the one for new tickets first. */
  get current(): readonly string[] {
    return this.#keys;
  }

  start(): void {
    this.#timer = setInterval(() => this.rotate(), ROTATE_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Makes a new key for new tickets and forgets the oldest. */
  rotate(): void {
    this.#keys = [newKey(), ...this.#keys].slice(0, KEPT);
    this.#onRotation(this.#keys);
  }
}

function newKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

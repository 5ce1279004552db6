/** Looks again and again whether the webhook's certificate is still the one to use. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Managed } from './managed-certificate.ts';
import type { KeyPair } from './server.ts';

export interface KeeperOptions {
  /** Gives the certificate to use now. It may reject: at the start that is for the caller. */
  readonly look: () => Promise<Managed<KeyPair>>;
  /** Between two looks, and after one that failed. */
  readonly checkMs: number;
  readonly retryMs: number;
  /** Another one is to be used; throws when it cannot be. */
  readonly onRenewed: (keyPair: KeyPair) => void;
  /** Told once for each message until a look succeeds. */
  readonly onTrouble: (message: string) => void;
}

/** One look follows the end of the one before: while the API server is away they do not pile up. */
export class CertificateKeeper {
  readonly #options: KeeperOptions;
  readonly #closing = new AbortController();
  #current: KeyPair | null = null;
  #trouble = '';

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Waits for the first certificate, and from then on looks for the next. Rejects when closed before there is one. */
  async start(): Promise<KeyPair> {
    while (!this.#closing.signal.aborted) {
      const found = await this.#options.look();
      if (found.ok) {
        this.#current = found.value;
        this.#trouble = '';
        void this.#keepLooking();
        return found.value;
      }
      this.#tell(found.message);
      await this.#wait(this.#options.retryMs);
    }
    throw new Error('closed before there was a certificate');
  }

  close(): void {
    this.#closing.abort();
  }

  async #keepLooking(): Promise<void> {
    const { checkMs, retryMs } = this.#options;
    let isGood = true;
    while (!this.#closing.signal.aborted) {
      await this.#wait(isGood ? checkMs : retryMs);
      if (this.#closing.signal.aborted) return;
      isGood = await this.#renew();
    }
  }

  async #renew(): Promise<boolean> {
    const { look, onRenewed } = this.#options;
    try {
      const found = await look();
      if (!found.ok) throw new Error(found.message);
      const { certificate, key } = found.value;
      if (certificate !== this.#current?.certificate || key !== this.#current.key) onRenewed(found.value);
      this.#current = found.value;
      this.#trouble = '';
      return true;
    } catch (error) {
      this.#tell(`the last certificate stays in use: ${(error as Error).message}`);
      return false;
    }
  }

  #tell(message: string): void {
    if (message === this.#trouble) return;
    this.#trouble = message;
    this.#options.onTrouble(message);
  }

  async #wait(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#closing.signal }).catch(() => {});
  }
}

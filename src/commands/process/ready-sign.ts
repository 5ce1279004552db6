import type { Readiness } from '../../admin/view.ts';
import { tellReady } from './ready-file.ts';

/** Whether this process is ready: for the admin listener and, where one is wanted, by a file. */
export class ReadySign {
  readonly #file: string | null;
  #readiness: Readiness = { ready: false, reason: 'starting' };

  private constructor(file: string | null) {
    this.#file = file;
  }

  /** Not ready yet. Throws with a message for the user when the file cannot be removed; null is no file. */
  static starting(file: string | null): ReadySign {
    tellReady(file, false);
    return new ReadySign(file);
  }

  ready(): void {
    this.#readiness = { ready: true };
    tellReady(this.#file, true);
  }

  draining(): void {
    this.#readiness = { ready: false, reason: 'draining' };
    tellReady(this.#file, false);
  }

  get readiness(): Readiness {
    return this.#readiness;
  }
}

/** GoBGP in a namespace, asked through its client. */
import { eventually, type Scope } from '../../kit/waiting.ts';
import { daemonFolder } from './daemon.ts';
import type { Namespace } from './namespaces.ts';

const API_PORT = 50_051;

export class Gobgp {
  readonly #namespace: Namespace;

  private constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  /** `config` in TOML. */
  static async start(t: Scope, namespace: Namespace, config: string): Promise<Gobgp> {
    const folder = await daemonFolder(t, 'gobgp', { 'gobgp.toml': config });
    namespace.start(t, 'gobgpd', ['-f', `${folder}/gobgp.toml`, `--api-hosts=127.0.0.1:${API_PORT}`]);
    const gobgp = new Gobgp(namespace);
    await eventually(() => gobgp.ask('global'));
    return gobgp;
  }

  ask(...words: readonly string[]): Promise<string> {
    return this.#namespace.run('gobgp', '-p', String(API_PORT), ...words);
  }
}

/** ExaBGP in a namespace: it tells on its standard output what it receives. */
import { EventEmitter, once } from 'node:events';
import { type Scope, within } from '../../kit/waiting.ts';
import { daemonFolder } from './daemon.ts';
import type { Namespace } from './namespaces.ts';

export class Exabgp {
  #log = '';
  readonly #grown = new EventEmitter();

  static async start(t: Scope, namespace: Namespace, config: string): Promise<Exabgp> {
    const folder = await daemonFolder(t, 'exabgp', { 'exabgp.conf': config });
    const settings = {
      'exabgp.daemon.user': 'root',
      'exabgp.daemon.drop': 'false',
      'exabgp.api.cli': 'false',
      'exabgp.log.destination': 'stdout',
      'exabgp.log.level': 'DEBUG',
      'exabgp.log.parser': 'true',
      'exabgp.log.routes': 'true',
    };
    const daemon = namespace.start(t, 'exabgp', [`${folder}/exabgp.conf`], { ...process.env, ...settings });
    const exabgp = new Exabgp();
    for (const stream of [daemon.stdout, daemon.stderr])
      stream?.on('data', (text) => {
        exabgp.#log += text;
        exabgp.#grown.emit('text');
      });
    return exabgp;
  }

  /** Resolves once it has said something like it. */
  said(pattern: RegExp): Promise<void> {
    const found = async () => {
      while (!pattern.test(this.#log)) await once(this.#grown, 'text');
    };
    return within(found(), () => `ExaBGP to say ${pattern}; it said ${this.#log.slice(-4000)}`);
  }
}

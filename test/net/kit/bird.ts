/** BIRD 2 in a namespace, asked through its control socket. */
import { eventually, type Scope } from '../../kit/waiting.ts';
import { daemonFolder } from './daemon.ts';
import { command, type Namespace } from './namespaces.ts';

export class Bird {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  static async start(t: Scope, namespace: Namespace, config: string): Promise<Bird> {
    const folder = await daemonFolder(t, 'bird', { 'bird.conf': config });
    const socket = `${folder}/ctl`;
    namespace.start(t, 'bird', ['-f', '-c', `${folder}/bird.conf`, '-s', socket, '-P', `${folder}/pid`]);
    const bird = new Bird(socket);
    await eventually(() => bird.ask('show', 'status'));
    return bird;
  }

  ask(...words: readonly string[]): Promise<string> {
    return command('birdc', '-r', '-s', this.#socket, ...words);
  }
}

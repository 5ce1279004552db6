/** All backends, in one process. */
import { type Backend, startBackend } from './backend.ts';
import { reporter } from './child.ts';
import type { FromBackends, ToBackends } from './messages.ts';
import type { Task } from './task.ts';

const report = reporter<FromBackends>();
const backends = new Map<string, Backend>();
/** POST may not be sent twice, whatever happens to connections. */
const posts = new Set<number>();
const doublePosts: number[] = [];
let requests = 0;

function onTask({ id }: Task, method: string): void {
  requests++;
  if (method !== 'POST') return;
  if (posts.has(id)) doublePosts.push(id);
  posts.add(id);
}

async function open(name: string, http2: boolean): Promise<void> {
  const backend = await startBackend(name, http2, onTask);
  backends.set(name, backend);
  report({ kind: 'opened', name, port: backend.port });
}

async function close(name: string): Promise<void> {
  const left = (await backends.get(name)?.close()) ?? 0;
  backends.delete(name);
  report({ kind: 'closed', name, left });
}

process.on('message', (message: ToBackends) => {
  switch (message.kind) {
    case 'open':
      return void open(message.name, message.http2);
    case 'close':
      return void close(message.name);
    case 'finish':
      return report({ kind: 'finished', requests, doublePosts });
    default:
      return message satisfies never;
  }
});

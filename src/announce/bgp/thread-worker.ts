/** Inside the routing thread: the speaker and BFD, side by side. */
import { parentPort } from 'node:worker_threads';
import { BfdSessions } from '../bfd/sessions.ts';
import { BgpSpeaker } from './speaker.ts';
import type { FromRoutingThread, ToRoutingThread } from './thread.ts';

/** How often counters are reported; changes of state are told at once. */
const REPORT_MS = 5000;

const port = parentPort!; // this file is only ever run as a worker
const tell = (message: FromRoutingThread) => port.postMessage(message);

const bfd = new BfdSessions({
  onChange: (status) => tell({ kind: 'bfd', status }),
  onProblem: (text) => tell({ kind: 'problem', text }),
});
const speaker = new BgpSpeaker(bfd, {
  onChange: (status) => tell({ kind: 'status', status }),
  onProblem: (text) => tell({ kind: 'problem', text }),
});

function perform(message: ToRoutingThread): void {
  switch (message.kind) {
    case 'listen':
      return void speaker.listen(message.addresses);
    case 'apply':
      return speaker.apply(message.plan);
    case 'stop':
      return void speaker.stop(message.how).then(() => {
        bfd.close();
        tell({ kind: 'stopped' });
      });
    default:
      return message satisfies never;
  }
}

port.on('message', perform);
setInterval(() => {
  for (const status of speaker.status) tell({ kind: 'status', status });
}, REPORT_MS);

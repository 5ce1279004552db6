/** Inside the layer 2 thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Layer2Settings, Layer2Speaker } from './speaker.ts';
import type { FromLayer2Thread, ToLayer2Thread } from './thread.ts';

/** How often counters are reported; changes are told at once. */
const REPORT_MS = 5000;

const port = parentPort!; // this file is only ever run as a worker
const tell = (message: FromLayer2Thread) => port.postMessage(message);

const speaker = new Layer2Speaker(workerData as Layer2Settings, {
  onStatus: (status) => tell({ kind: 'status', status }),
  onConflict: (conflict) => tell({ kind: 'conflict', conflict }),
  onProblem: (text) => tell({ kind: 'problem', text }),
  onRelease: (address) => tell({ kind: 'release', address }),
  onRetain: (address) => tell({ kind: 'retain', address }),
});

function perform(message: ToLayer2Thread): void {
  switch (message.kind) {
    case 'apply':
      return speaker.apply(message.wanted);
    case 'released':
      return speaker.released(message.address);
    case 'stop':
      clearInterval(report);
      return void speaker.leave().then(() => {
        tell({ kind: 'status', status: speaker.status });
        tell({ kind: 'stopped' });
      });
    default:
      return message satisfies never;
  }
}

const report = setInterval(() => tell({ kind: 'status', status: speaker.status }), REPORT_MS);
port.on('message', perform);

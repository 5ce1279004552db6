/**
 * A layer 2 speaker of ours as a program of its own, for tests: its settings as JSON in the first argument, then what
 * is wanted as one JSON per line on standard input; one JSON event per line on standard output. SIGTERM hands over.
 */
import { createInterface } from 'node:readline';
import type { Layer2Settings, Layer2Wanted } from '../../../src/announce/layer2/speaker.ts';
import { Layer2Thread } from '../../../src/announce/layer2/thread.ts';

const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);

const settings = JSON.parse(process.argv[2] ?? '') as Omit<Layer2Settings, 'key'> & { key: string | null };
const thread = new Layer2Thread(
  { ...settings, key: settings.key === null ? null : Buffer.from(settings.key) },
  {
    onStatus: (status) => tell({ event: 'status', ...status }),
    onConflict: (conflict) => tell({ event: 'conflict', ...conflict }),
    onProblem: (text) => tell({ event: 'problem', text }),
    onRelease: () => {},
    onRetain: () => {},
  },
);
createInterface({ input: process.stdin }).on('line', (line) => thread.set(JSON.parse(line) as Layer2Wanted));
process.on('SIGTERM', () => void thread.stop().then(() => process.exit()));
tell({ event: 'ready', pid: process.pid });

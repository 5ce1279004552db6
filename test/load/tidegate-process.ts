/** Tidegate in a process of its own, as `tidegate run` starts it, with a channel to break it on purpose. */
import { start } from '../../src/commands/run.ts';
import type { Hostname } from '../../src/model/keys.ts';
import type { RoutingTable } from '../../src/model/routing-table.ts';
import type { LogLine, LogOutput } from '../../src/observe/log.ts';
import { loadSettings } from '../../src/settings/settings.ts';
import { CELLS, versionHost } from './cell.ts';
import { reporter } from './child.ts';
import { now } from './clock.ts';
import type { FromTidegate, ToTidegate } from './messages.ts';

const [, , directory = ''] = process.argv;
const report = reporter<FromTidegate>();

/** Tables on their way to the workers, by generation. */
const versions = new Map<number, readonly number[]>();

/** The version of each cell that a table holds, 0 for none. */
function versionsIn(table: RoutingTable): number[] {
  return Array.from({ length: CELLS }, (_, cell) => {
    const [key = '^/0'] = table.hosts.get(versionHost(cell) as Hostname)?.paths.keys() ?? [];
    return Number(key.slice('^/'.length));
  });
}

function reportLive(generation: number): void {
  const live = versions.get(generation);
  if (live !== undefined) report({ kind: 'live', at: now(), versions: live });
  for (const older of versions.keys()) if (older <= generation) versions.delete(older);
}

const troubleLine: LogLine = (event, message) => report({ kind: 'trouble', event, message });
const output: LogOutput = {
  log: {
    debug: () => {},
    info: (event, _message, fields) => {
      if (event === 'table-live') reportLive(Number(fields?.['generation']));
    },
    warn: troubleLine,
    error: troubleLine,
  },
  ready: () => {},
  writeAccessLog: () => {},
  droppedLines: () => 0,
  close: async () => {},
};

const flags = new Map([
  ['source', 'manifests'],
  ['manifests', directory],
  ['http', '127.0.0.1:0'],
  ['https', '127.0.0.1:0'],
  ['admin', '127.0.0.1:0'],
  ['workers', '2'],
  // An idle connection that is closed crosses any request that comes later; on a busy machine a second is soon over.
  ['timeout-drain-idle', '10s'],
]);
const loaded = loadSettings({ flags, environment: {} });
if (!loaded.ok) throw new Error(loaded.errors.join('\n'));

const running = await start(loaded.settings, output);
const { supervisor, addresses } = running;

// The log names generations; what they hold is seen here, on the way to the workers.
const apply = supervisor.apply.bind(supervisor);
supervisor.apply = (table) => {
  versions.set(table.generation, versionsIn(table));
  apply(table);
};

async function killWorker(index: number): Promise<void> {
  const from = now();
  await supervisor.workers[index]?.terminate();
  report({ kind: 'killed', kill: { from, until: now() } });
}

process.on('message', (message: ToTidegate) => void killWorker(message.worker));
process.on('SIGTERM', () => {
  void running.stop().then(() => process.exit(0));
});

const portOf = (name: string): number => Number(/\d+$/.exec(addresses[name]?.[0] ?? '')?.[0]);
report({ kind: 'ready', http: portOf('http'), https: portOf('https'), admin: portOf('admin') });

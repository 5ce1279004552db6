import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { singleRoute, writeObjects } from '../manifests.ts';
import { freePort } from '../processes.ts';
import type { Peer, PeerCommand } from './peer.ts';

export const tidegate: Peer = {
  name: 'Tidegate',
  remarks: ['--workers 1.'],
  probe: async () => {
    const file = new URL('../../package.json', import.meta.url);
    const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
    return { kind: 'present', version };
  },
  prepare: async ({ directory, port, upstream, series }) => {
    const manifests = join(directory, 'manifests');
    await mkdir(manifests);
    await writeObjects(join(manifests, 'all.json'), singleRoute(upstream));
    return tidegateCommand({
      manifests,
      port,
      admin: await freePort(),
      workers: 1,
      accessLog: series === 'log',
    });
  },
};

export interface TidegateSetup {
  readonly manifests: string;
  readonly port: number;
  readonly admin: number;
  readonly workers: number;
  readonly accessLog: boolean;
}

/** The command line; log and access log go to standard output. */
export function tidegateCommand(setup: TidegateSetup): PeerCommand {
  const program = new URL('../../bin/tidegate', import.meta.url).pathname;
  return {
    argv: [
      ...[program, 'run', '--source', 'manifests', '--manifests', setup.manifests],
      ...['--http', `127.0.0.1:${setup.port}`, '--https', 'off', '--admin', `127.0.0.1:${setup.admin}`],
      ...['--workers', String(setup.workers), '--access-log', setup.accessLog ? 'json' : 'off'],
    ],
  };
}

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, TLS_GROUP, TLS_HOST, TLS_SUITE } from '../certificate.ts';
import { type KubernetesObject, singleRoute, singleRouteWithTls, writeObjects } from '../manifests.ts';
import { freePort } from '../processes.ts';
import type { Peer, PeerCommand } from './peer.ts';

export const tidegate: Peer = {
  name: 'Tidegate',
  servesTls: true,
  asksTls: true,
  asksHttp2: true,
  remarks: ['--workers 1.'],
  probe: async () => {
    const file = new URL('../../package.json', import.meta.url);
    const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
    return { kind: 'present', version };
  },
  prepare: async ({ directory, port, upstream, upstreamTls, upstreamHttp2, series, tls }) => {
    const manifests = join(directory, 'manifests');
    await mkdir(manifests);
    const appProtocol = upstreamTls ? 'https' : upstreamHttp2 ? 'kubernetes.io/h2c' : null;
    const objects = tls ? await tlsObjects(upstream, tls, appProtocol) : singleRoute(upstream, appProtocol);
    await writeObjects(join(manifests, 'all.json'), objects);
    return tidegateCommand({
      manifests,
      port,
      admin: await freePort(),
      workers: 1,
      accessLog: series === 'log',
      tls: tls !== null,
    });
  },
};

export interface TidegateSetup {
  readonly manifests: string;
  readonly port: number;
  readonly admin: number;
  readonly workers: number;
  readonly accessLog: boolean;
  /** TLS instead of plain HTTP on `port`. */
  readonly tls: boolean;
}

async function tlsObjects(
  upstream: number,
  { certificate, key }: Certificate,
  appProtocol: string | null,
): Promise<KubernetesObject[]> {
  const files = { certificate: await readFile(certificate), key: await readFile(key) };
  return singleRouteWithTls(upstream, TLS_HOST, files, appProtocol);
}

/** Peers send no HSTS and end no connection because of the number of its requests. */
const TLS_OPTIONS: readonly string[] = [
  ...['--tls-min-version', '1.3', '--tls-ciphersuites', TLS_SUITE, '--tls-groups', TLS_GROUP],
  ...['--hsts', 'off', '--ssl-redirect', 'off', '--limit-requests-per-connection', '1000000000'],
];

/** The command line; log and access log go to standard output. */
export function tidegateCommand(setup: TidegateSetup): PeerCommand {
  const program = new URL('../../bin/tidegate', import.meta.url).pathname;
  const address = `127.0.0.1:${setup.port}`;
  return {
    argv: [
      ...[program, 'run', '--source', 'manifests', '--manifests', setup.manifests],
      ...(setup.tls ? TLS_OPTIONS : []),
      ...['--http', setup.tls ? 'off' : address, '--https', setup.tls ? address : 'off'],
      ...['--admin', `127.0.0.1:${setup.admin}`],
      ...['--workers', String(setup.workers), '--access-log', setup.accessLog ? 'json' : 'off'],
    ],
  };
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Peer } from './peer.ts';

export const httpProxy3: Peer = {
  name: 'http-proxy-3',
  servesTls: false,
  asksTls: false,
  asksHttp2: false,
  remarks: ['One process on node:http with a keep-alive agent; access log through pino, buffered (16 KB).'],
  probe: async () => {
    try {
      const file = new URL('../../node_modules/http-proxy-3/package.json', import.meta.url);
      const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
      return { kind: 'present', version };
    } catch {
      return { kind: 'absent', reason: 'the package http-proxy-3 is not installed (npm ci brings it)' };
    }
  },
  prepare: ({ directory, port, upstream, series }) => {
    const server = new URL('./http-proxy-3-server.ts', import.meta.url).pathname;
    const log = series === 'log' ? [join(directory, 'access')] : [];
    return Promise.resolve({ argv: [process.execPath, server, String(port), String(upstream), ...log] });
  },
};

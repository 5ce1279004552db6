import type { Peer, Presence } from './peer.ts';

/** Not a dependency: its authors publish it on GitHub only. It is measured where somebody has installed it. */
const PACKAGE = 'uWebSockets.js';

export const uWebSockets: Peer = {
  name: 'uWebSockets.js',
  servesTls: false,
  asksTls: false,
  asksHttp2: false,
  remarks: [
    'A front of uWebSockets.js with node:http towards the backend; GET only, as it brings no HTTP client.',
  ],
  probe,
  prepare: ({ port, upstream, series, directory }) => {
    const server = new URL('./uwebsockets-server.ts', import.meta.url).pathname;
    const log = series === 'log' ? [`${directory}/access`] : [];
    return Promise.resolve({ argv: [process.execPath, server, String(port), String(upstream), ...log] });
  },
};

async function probe(): Promise<Presence> {
  try {
    await import(PACKAGE);
    return { kind: 'present', version: 'as installed' };
  } catch (error) {
    const [reason] = String(error).split(/\n| imported from/);
    return { kind: 'absent', reason: `import('${PACKAGE}') on Node.js ${process.versions.node}: ${reason}` };
  }
}

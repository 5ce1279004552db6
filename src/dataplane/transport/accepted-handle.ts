/**
 * Connections of a listening server as Node's native handles, before it makes sockets of them. This file leans on the
 * inside of Node; docs/decisions/009-reading-into-our-own-buffers.md says why, and what happens where it is another one.
 */
import net from 'node:net';

/** The native stream of an accepted connection. */
interface AcceptedHandle {
  setNoDelay(on: boolean): void;
}

interface ListeningHandle {
  onconnection: (this: ListeningHandle, error: number, connection?: AcceptedHandle) => void;
}

/** The version whose inside this file was written for. */
const KNOWN_MAJOR = '26';

/**
 * Makes the sockets of a listening server ourselves, with `onread` (see net.connect), and gives them to `accept`.
 * `accept` must not throw. False, and nothing was done, where Node is not known inside.
 */
export function acceptReadingInto(
  server: net.Server,
  onread: net.OnReadOpts,
  accept: (socket: net.Socket) => void,
  nodeVersion: string,
): boolean {
  const { _handle: listening } = server as unknown as { _handle: ListeningHandle | null };
  if (nodeVersion.split('.', 1)[0] !== KNOWN_MAJOR || typeof listening?.onconnection !== 'function')
    return false;
  const { onconnection } = listening;
  listening.onconnection = function (error, connection): void {
    if (error !== 0 || connection === undefined) return onconnection.call(this, error, connection);
    connection.setNoDelay(true);
    const options = { handle: connection, allowHalfOpen: true, readable: true, writable: true, onread };
    accept(new net.Socket(options as unknown as net.SocketConstructorOpts));
  };
  return true;
}

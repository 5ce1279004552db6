/** A keep-alive connection for one request at a time, with next to no cost of its own. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Connection {
  /** Sends a GET and resolves with its answer; rejects when the connection ends before. */
  get(host: string, path: string): Promise<Answer>;
  readonly socket: Socket;
}

/** Connects to a port of loopback, with TLS for `serverName` where one is given. */
export async function openConnection(port: number, serverName: string | null = null): Promise<Connection> {
  const socket = serverName === null ? connect(port, '127.0.0.1') : connectTls(port, serverName);
  await once(socket, serverName === null ? 'connect' : 'secureConnect');
  let text = '';
  let settle: { resolve: (answer: Answer) => void; reject: (reason: Error) => void } | null = null;
  socket.setEncoding('latin1');
  socket.on('data', (part: string) => {
    text += part;
    const answer = parseAnswer(text);
    if (answer === null) return;
    text = '';
    settle?.resolve(answer);
  });
  socket.on('error', () => {});
  socket.on('close', () =>
    settle?.reject(new Error('the connection was closed before the answer was complete')),
  );
  return {
    socket,
    get: (host, path) =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject };
        socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      }),
  };
}

let secureContext: SecureContext | null = null;

function connectTls(port: number, servername: string): TLSSocket {
  secureContext ??= createSecureContext();
  return tlsConnect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false, secureContext });
}

/** null while bytes are missing. A body without Content-Length is taken as chunked, in a single chunk. */
function parseAnswer(text: string): Answer | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const status = Number(text.slice(9, 12));
  const body = text.slice(end + 4);
  const length = /^content-length: (\d+)\r$/im.exec(text.slice(0, end + 1))?.[1];
  if (length !== undefined) return body.length < Number(length) ? null : { status, body };
  return body.endsWith('0\r\n\r\n') ? { status, body: body.split('\r\n')[1] ?? '' } : null;
}

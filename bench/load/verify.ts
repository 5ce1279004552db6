/** Checks content before a figure is believed. Each rejects with what was wrong. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import http2 from 'node:http2';
import { request as requestSecurely } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import { TLS_GROUP, TLS_HOST, TLS_SUITE } from '../certificate.ts';

/** Gets `url` and compares the body byte by byte. A slow reader pauses after each read, so that buffers fill up. */
export async function expectBody(
  url: string,
  expected: Buffer,
  reader: 'fast' | 'slow' = 'fast',
): Promise<void> {
  const message = url.startsWith('https:')
    ? requestSecurely(url, { agent: false, rejectUnauthorized: false })
    : request(url, { agent: false });
  message.end();
  const [response] = (await once(message, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of response) {
    parts.push(part as Buffer);
    if (reader === 'slow') await delay(1);
  }
  const body = Buffer.concat(parts);
  if (response.statusCode !== 200) throw new Error(`GET ${url}: status ${response.statusCode}, expected 200`);
  if (!body.equals(expected)) {
    throw new Error(
      `GET ${url} (${reader} reader): ${body.length} bytes that differ from the ${expected.length} expected`,
    );
  }
}

/** Posts a gRPC message and sees that it comes back with status OK in the trailers. */
export async function expectGrpc(url: string, message: Buffer): Promise<void> {
  const { origin, pathname } = new URL(url);
  const session = http2.connect(origin, { rejectUnauthorized: false });
  try {
    const call = session.request({
      ':method': 'POST',
      ':path': pathname,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let trailers: http2.IncomingHttpHeaders = {};
    call.on('trailers', (fields) => {
      trailers = fields;
    });
    call.end(message);
    const parts: Buffer[] = [];
    for await (const part of call) parts.push(part as Buffer);
    if (!Buffer.concat(parts).equals(message) || trailers['grpc-status'] !== '0') {
      throw new Error(`${url}: ${Buffer.concat(parts).length} bytes, grpc-status ${trailers['grpc-status']}`);
    }
  } finally {
    session.destroy();
  }
}

/** Sees that the server takes no other version, suite, group or certificate than all are to have. */
export async function expectSameTls(origin: string): Promise<void> {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(new URL(origin).port),
    servername: TLS_HOST,
    rejectUnauthorized: false,
  });
  await once(socket, 'secureConnect');
  const { asn1Curve, subject } = socket.getPeerCertificate();
  const group = socket.getEphemeralKeyInfo();
  const name = group !== null && 'name' in group ? group.name : undefined;
  const actual = [socket.getProtocol(), socket.getCipher().standardName, name, subject.CN, asn1Curve].join(
    ' ',
  );
  socket.destroy();
  const expected = ['TLSv1.3', TLS_SUITE, TLS_GROUP, TLS_HOST, 'prime256v1'].join(' ');
  if (actual !== expected) throw new Error(`${origin}: TLS is ${actual}, expected ${expected}`);
}

/** Uploads random bytes to the backend's `/digest` and compares what arrived by its SHA-256. */
export async function expectUpload(origin: string, size: number): Promise<void> {
  const body = randomBytes(size);
  const response = await fetch(`${origin}/digest`, { method: 'POST', body });
  const digest = await response.text();
  if (digest !== createHash('sha256').update(body).digest('hex')) {
    throw new Error(
      `POST ${origin}/digest: the backend did not receive what was sent (${response.status} ${digest.slice(0, 80)})`,
    );
  }
}

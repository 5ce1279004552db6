/** One HTTP/2 endpoint and its clients over a transport in memory, step by step. */
import * as frame from '../../src/dataplane/http2/frames.ts';
import { encodeBlock, type Fields } from '../kit/h2-client.ts';
import type { MemoryPeer } from '../kit/memory-transport.ts';
import { World, type WorldOptions } from './world.ts';

const PREFACE = frame.PREFACE.toString('latin1');

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: string;
}

/** The frames that a peer got; a client of ours gets no preface. */
export function framesOf(peer: MemoryPeer): Frame[] {
  const text = peer.text();
  const bytes = Buffer.from(text.startsWith(PREFACE) ? text.slice(PREFACE.length) : text, 'latin1');
  const out: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const payload = bytes.toString('latin1', at + 9, at + 9 + length);
    out.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, id: bytes.readUInt32BE(at + 5), payload });
    at += 9 + length;
  }
  return out;
}

export const idsOf = (peer: MemoryPeer): number[] =>
  framesOf(peer)
    .filter(({ type }) => type === frame.HEADERS)
    .map(({ id }) => id);

export const headers = (id: number, fields: Fields, flags = 0): string =>
  frame.headersFrames(id, encodeBlock(fields), flags);
export const ok = (id: number, body = 'ok'): string =>
  headers(id, [[':status', '200']]) + frame.frameHead(body.length, frame.DATA, frame.END_STREAM, id) + body;
export const get = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
export const post = (body: string): string =>
  `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

export class Scene {
  readonly world: World;

  constructor(options: WorldOptions = {}) {
    this.world = new World({ protocol: 'http2', endpoints: 1, ...options });
  }

  ask(text: string = get): MemoryPeer {
    const client = this.world.client();
    client.send(text);
    this.settle();
    return client;
  }

  /** A client of HTTP/2 that has said its SETTINGS. */
  http2Client(settings: readonly (readonly [number, number])[] = []): MemoryPeer {
    const client = this.world.http2Client();
    this.say(client, PREFACE + frame.settingsFrame(settings));
    return client;
  }

  /** The backend of connection `index`, which has said what it takes. */
  backend(index: number, settings: readonly (readonly [number, number])[] = []): MemoryPeer {
    const peer = this.world.backends[index]!;
    this.say(peer, frame.settingsFrame(settings));
    return peer;
  }

  say(peer: MemoryPeer, bytes: string): void {
    peer.send(bytes);
    this.settle();
  }

  settle(): void {
    this.world.transport.settle();
    this.world.assertSane(1_000_000);
  }

  /** Everybody leaves; nothing may be left. */
  end(): void {
    for (const stream of this.world.transport.streams) if (!stream.peer.dead) stream.peer.close();
    this.world.settle(400_000);
    this.world.assertNothingLeft();
  }
}

export const statusOf = (client: MemoryPeer): string => /^HTTP\/1\.1 (\d+)/.exec(client.text())?.[1] ?? '';
export const reasons = ({ world }: Scene): string[] => {
  world.dataplane.accessLog.flush();
  return [...world.accessLog.join('').matchAll(/"reason":"([^"]*)"/g)].map(([, reason]) => reason!);
};

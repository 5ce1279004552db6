/** An HTTP/2 client that sends exactly the frames a test gives it, over cleartext with prior knowledge. */
import { strict as assert } from 'node:assert';
import type { Field } from '../../src/dataplane/http2/field.ts';
import { frameHead, PREFACE, settingsFrame, windowUpdateFrame } from '../../src/dataplane/http2/frames.ts';
import { HpackDecoder } from '../../src/dataplane/http2/hpack-decode.ts';
import { encodeField } from '../../src/dataplane/http2/hpack-encode.ts';
import type { Ending } from './inbox.ts';
import { connect, type RawClient } from './raw-client.ts';
import { DEADLINE_MS, type Scope } from './waiting.ts';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export type Fields = readonly (readonly [name: string, value: string])[];

export interface H2Response {
  /** Of the final head; 0 when there was none. */
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  /** Statuses of the heads before the final one. */
  readonly informational: readonly number[];
  readonly body: Buffer;
  readonly trailers: Fields;
  /** Code of the RST_STREAM that came; null when there was none. */
  readonly reset: number | null;
  /** Whether END_STREAM came. */
  readonly ended: boolean;
}

export const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'h'],
  [':path', '/'],
];
export const POST: Fields = [[':method', 'POST'], ...GET.slice(1)];

export const encodeBlock = (fields: Fields) =>
  fields.map(([name, value]) => encodeField(name, value)).join('');

export class H2Client {
  readonly raw: RawClient;
  readonly #decoder = new HpackDecoder();

  constructor(raw: RawClient) {
    this.raw = raw;
  }

  /** Preface and SETTINGS. `settings` are pairs of number and value. */
  begin(settings: readonly (readonly [number, number])[] = []): void {
    this.raw.send(PREFACE);
    this.raw.send(settingsFrame(settings));
  }

  /** `payload` is latin1 text. */
  send(type: number, flags: number, id: number, payload = ''): void {
    this.raw.send(frameHead(payload.length, type, flags, id) + payload);
  }

  /** A request without body, or (`ended` false) its beginning. */
  request(id: number, fields: Fields = GET, ended = true): void {
    this.send(1, ended ? 5 : 4, id, encodeBlock(fields));
  }

  data(id: number, text: string, ended = false): void {
    this.send(0, ended ? 1 : 0, id, text);
  }

  /** Lets the server send as much as it likes. */
  openWindows(id: number): void {
    this.raw.send(windowUpdateFrame(0, 1 << 30) + windowUpdateFrame(id, 1 << 30));
  }

  /** Waits for the next frame. */
  async next(what = 'a frame'): Promise<Frame> {
    return await this.raw.inbox.take(what, (rest) => {
      if (rest.length < 9) return null;
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) return null;
      const payload = Buffer.from(rest.subarray(9, 9 + length));
      const frame = { type: rest[3]!, flags: rest[4]!, id: rest.readUInt32BE(5), payload };
      return { value: frame, used: 9 + length };
    });
  }

  /** Skips frames until one matches. */
  async until(what: string, match: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const frame = await this.next(what);
      // Every block is decoded in its order, or the tables would be out of step.
      if (frame.type === 1 && !match(frame)) this.decode(frame.payload);
      if (match(frame)) return frame;
    }
  }

  decode(block: Buffer): Fields {
    const fields: (readonly [string, string])[] = [];
    const sink = {
      onField: ({ name, value }: Field) => {
        fields.push([name, value]);
        return true;
      },
    };
    assert.ok(this.#decoder.decode(block, 0, block.length, sink), 'a header block that decodes');
    return fields;
  }

  /** Collects the response on stream `id`; frames of other streams are skipped. */
  async response(id: number): Promise<H2Response> {
    const body: Buffer[] = [];
    const informational: number[] = [];
    let status = 0;
    let fields: ReadonlyMap<string, string> = new Map();
    let trailers: Fields = [];
    const result = (reset: number | null, ended: boolean): H2Response => ({
      status,
      fields,
      informational,
      body: Buffer.concat(body),
      trailers,
      reset,
      ended,
    });
    for (;;) {
      const frame = await this.until(
        `the response on stream ${id}`,
        (f) => (f.id === id && f.type <= 3) || f.type === 7,
      );
      if (frame.type === 7) {
        if (frame.payload.readUInt32BE(4) !== 0) return result(frame.payload.readUInt32BE(4), false);
        continue;
      }
      if (frame.type === 3) return result(frame.payload.readUInt32BE(0), false);
      if (frame.type === 0) body.push(frame.payload);
      else if (status !== 0) trailers = this.decode(frame.payload);
      else {
        const head = this.decode(frame.payload);
        const code = Number(head.find(([name]) => name === ':status')?.[1]);
        if (code < 200) informational.push(code);
        else {
          status = code;
          fields = new Map(head);
        }
      }
      if ((frame.flags & 1) !== 0) return result(null, true);
    }
  }

  /** Waits for a GOAWAY and gives its code. */
  async goaway(): Promise<number> {
    const frame = await this.until('GOAWAY', ({ type }) => type === 7);
    return frame.payload.readUInt32BE(4);
  }

  ended(ms = DEADLINE_MS): Promise<Ending> {
    return this.raw.ended(ms);
  }

  close(): void {
    this.raw.close();
  }
}

/** Connects and sends preface and SETTINGS. */
export async function connectH2(
  scope: Scope,
  port: number,
  settings: readonly (readonly [number, number])[] = [],
): Promise<H2Client> {
  const client = new H2Client(await connect(scope, port));
  client.begin(settings);
  return client;
}

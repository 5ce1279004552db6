/** Frames come out the same however the bytes are cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader, OK, STOPPED, TOO_LARGE } from './frame-reader.ts';
import { frameHead, headersFrames, MAX_PAYLOAD, writeFrameHead } from './frames.ts';

type Seen = readonly [type: number, flags: number, id: number, payload: string];

function recorder(most = Number.POSITIVE_INFINITY) {
  const seen: Seen[] = [];
  return {
    seen,
    onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
      seen.push([type, flags, id, bytes.toString('latin1', start, end)]);
      return seen.length < most;
    },
  };
}

const encode = (frames: readonly Seen[]) =>
  Buffer.from(
    frames.map(([type, flags, id, payload]) => frameHead(payload.length, type, flags, id) + payload).join(''),
    'latin1',
  );

/** Feeds pieces that lie somewhere in a larger buffer, which is overwritten afterwards as a transport does. */
function feed(reader: FrameReader, bytes: Buffer, sink: ReturnType<typeof recorder>): number {
  const buffer = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('behind')]);
  const verdict = reader.feed(buffer, 6, 6 + bytes.length, sink);
  buffer.fill(0xee);
  return verdict;
}

const FRAMES: readonly Seen[] = [
  [4, 0, 0, ''],
  [1, 5, 1, 'block'],
  [0, 0, 0x7fff_ffff, 'x'.repeat(300)],
  [6, 1, 0, '12345678'],
  [200, 255, 3, ''],
];

test('frames split at every byte', () => {
  const bytes = encode(FRAMES);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new FrameReader();
    const sink = recorder();
    assert.equal(feed(reader, bytes.subarray(0, cut), sink), OK);
    assert.equal(feed(reader, bytes.subarray(cut), sink), OK);
    assert.deepEqual(sink.seen, FRAMES, `cut at ${cut}`);
  }
});

test('frames cut into any pieces', () => {
  const frame = fc.tuple(
    fc.nat(255),
    fc.nat(255),
    fc.nat(0x7fff_ffff),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 })),
      (frames, sizes) => {
        const bytes = encode(frames);
        const reader = new FrameReader();
        const sink = recorder();
        let at = 0;
        for (const size of sizes) {
          feed(reader, bytes.subarray(at, at + size), sink);
          at += size;
        }
        feed(reader, bytes.subarray(at), sink);
        assert.deepEqual(sink.seen, frames);
      },
    ),
  );
});

test('the reserved bit of the stream is ignored', () => {
  const bytes = encode([[6, 0, 5, '12345678']]);
  bytes[5]! |= 0x80;
  const sink = recorder();
  new FrameReader().feed(bytes, 0, bytes.length, sink);
  assert.equal(sink.seen[0]?.[2], 5);
});

test('a payload over the bound is refused by its head alone, whole or in pieces', () => {
  const head = Buffer.from(frameHead(MAX_PAYLOAD + 1, 0, 0, 1), 'latin1');
  assert.equal(feed(new FrameReader(), head, recorder()), TOO_LARGE);
  const byByte = new FrameReader();
  const verdicts = [...head].map((byte) => feed(byByte, Buffer.from([byte]), recorder()));
  assert.ok(verdicts.includes(TOO_LARGE));
});

test('nothing is handed on after the sink has stopped', () => {
  const sink = recorder(2);
  assert.equal(feed(new FrameReader(), encode(FRAMES), sink), STOPPED);
  assert.equal(sink.seen.length, 2);
});

test('a frame head is the same as text and as bytes', () => {
  const bytes = Buffer.alloc(9);
  writeFrameHead(bytes, 0, 16_384, 1, 4, 0x7fff_fff1);
  assert.equal(bytes.toString('latin1'), frameHead(16_384, 1, 4, 0x7fff_fff1));
});

test('a long header block goes on in CONTINUATION frames, of which the last says that it ends', () => {
  const block = 'b'.repeat(MAX_PAYLOAD * 2 + 10);
  const sink = recorder();
  const bytes = Buffer.from(headersFrames(7, block, 1), 'latin1');
  new FrameReader().feed(bytes, 0, bytes.length, sink);
  assert.deepEqual(
    sink.seen.map(([type, flags, id, payload]) => [type, flags, id, payload.length]),
    [
      [1, 1, 7, MAX_PAYLOAD],
      [9, 0, 7, MAX_PAYLOAD],
      [9, 4, 7, 10],
    ],
  );
});

/** The contract of stream.ts, kept by the portable transport over real loopback sockets. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { listenNet } from './net.ts';
import { netTransport } from './net-transport.ts';
import type { ByteStream, StreamOwner } from './stream.ts';

const faults: unknown[] = [];
const transport = netTransport(
  (error) => faults.push(error),
  () => {},
);

/** Keeps what happens, and lets a test wait for it. */
class Recorder implements StreamOwner {
  readonly events: string[] = [];
  readonly #parts: Buffer[] = [];
  received = 0;
  #wake = Promise.withResolvers<void>();
  hook: (bytes: Buffer, start: number, end: number) => void = () => {};

  #note(event: string): void {
    this.events.push(event);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  onConnect(): void {
    this.#note('connect');
  }
  onData(bytes: Buffer, start: number, end: number): void {
    this.#parts.push(Buffer.from(bytes.subarray(start, end)));
    this.received += end - start;
    this.hook(bytes, start, end);
    this.#note('data');
  }
  onBlocked(): void {
    this.#note('blocked');
  }
  onDrain(): void {
    this.#note('drain');
  }
  onEnd(): void {
    this.#note('end');
  }
  onClose(error: string | null): void {
    this.#note(`close ${error}`);
  }

  get text(): string {
    return Buffer.concat(this.#parts).toString('latin1');
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.#wake.promise;
  }

  has(event: string): boolean {
    return this.events.includes(event);
  }
}

interface Pair {
  readonly stream: ByteStream;
  readonly owner: Recorder;
  /** The far end: a plain socket. */
  readonly far: net.Socket;
}

let waiting = Promise.withResolvers<Pair>();
const accept = (stream: ByteStream): StreamOwner => {
  const owner = new Recorder();
  waiting.resolve({ stream, owner, far: null as unknown as net.Socket });
  return owner;
};
const listener = await transport.listen('127.0.0.1', 0, accept);
/** Accepts as the transport does where it does not know Node inside. */
const otherListener = await listenNet('127.0.0.1', 0, accept, '99.0.0');
const server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
after(() => {
  void listener.close();
  void otherListener.close();
  server.close();
});

/** A stream that was accepted, with its client. */
async function acceptedPair({ port } = listener): Promise<Pair> {
  waiting = Promise.withResolvers();
  const far = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  far.on('error', () => {});
  const pair = await waiting.promise;
  return { ...pair, far };
}

/** A stream that was opened, with the server's end. */
async function openedPair(): Promise<Pair> {
  const { promise, resolve } = Promise.withResolvers<net.Socket>();
  server.once('connection', resolve);
  const owner = new Recorder();
  const stream = transport.connect(
    { address: '127.0.0.1', port: (server.address() as net.AddressInfo).port, tls: null },
    owner,
  );
  const far = await promise;
  far.on('error', () => {});
  await owner.until(() => owner.has('connect'));
  return { stream, owner, far };
}

const otherPair = () => acceptedPair(otherListener);
const KINDS = [
  ['an accepted stream', () => acceptedPair()],
  ['an accepted stream of another Node.js', otherPair],
  ['an opened stream', openedPair],
] as const;

/** Every byte tells where it stands. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i + 4 <= size; i += 4) bytes.writeUInt32LE(Math.imul(i, 0x9e3779b1) >>> 0, i);
  return bytes;
}

/** Takes a piece, waits, and takes the next. */
async function readSlowly(far: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of far) {
    parts.push(part as Buffer);
    if (parts.length < 100) for (let i = 0; i < 20; i++) await turn();
  }
  return Buffer.concat(parts);
}

async function readAll(far: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of far) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

for (const [kind, pair] of KINDS) {
  test(`${kind} hands on what comes, and the end after it`, async () => {
    const { stream, owner, far } = await pair();
    far.end('hello');
    await owner.until(() => owner.has('end'));
    assert.equal(owner.text, 'hello');
    stream.write('bye');
    stream.end();
    assert.equal((await readAll(far)).toString(), 'bye');
    await owner.until(() => owner.has('close null'));
    assert.deepEqual(
      owner.events.filter((event) => event !== 'data' && event !== 'connect'),
      ['end', 'close null'],
    );
  });

  test(`${kind} sends all that was written before its end, in order, however large the pieces`, async () => {
    const { stream, far } = await pair();
    const bytes = pattern(3_000_000);
    let expected = '';
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 13) % 100_000) {
      const end = Math.min(bytes.length, at + size);
      stream.write(`[${at}]`);
      if (end > at) stream.writeBytes(bytes, at, end);
      expected += `[${at}]${bytes.toString('latin1', at, end)}`;
    }
    stream.destroyAfterFlush();
    const got = (await readAll(far)).toString('latin1');
    assert.ok(got === expected, `${got.length} of ${expected.length} bytes, or others`);
  });

  test(`${kind} tells that it is blocked, counts down what is unsent, and tells that it is drained`, async () => {
    const { stream, owner, far } = await pair();
    far.pause();
    const bytes = pattern(16_000_000);
    stream.writeBytes(bytes, 0, bytes.length);
    await owner.until(() => owner.has('blocked'));
    assert.equal(stream.blocked, true);
    assert.ok(stream.unsent > 0);
    const got = readAll(far);
    await owner.until(() => owner.has('drain'));
    assert.deepEqual([stream.blocked, stream.unsent], [false, 0]);
    stream.end();
    assert.ok((await got).equals(bytes));
    assert.deepEqual(
      owner.events.filter((event) => event === 'blocked' || event === 'drain'),
      ['blocked', 'drain'],
    );
    stream.destroy();
  });

  test(`${kind} that is paused in its callback hands on nothing, not even the end, until it is resumed`, async () => {
    const { stream, owner, far } = await pair();
    owner.hook = () => stream.pause();
    far.write('one');
    await owner.until(() => owner.text === 'one');
    await new Promise<void>((resolve) => void far.write('two', () => resolve()));
    far.end();
    // Time for the kernel to hand over what it has; several turns of the loop, all of them with a poll.
    for (let i = 0; i < 20; i++) await turn();
    assert.equal(owner.text, 'one');
    assert.ok(!owner.has('end'));
    owner.hook = () => {};
    stream.resume();
    await owner.until(() => owner.has('end'));
    assert.equal(owner.text, 'onetwo');
    stream.end();
    await owner.until(() => owner.has('close null'));
  });

  test(`${kind} is told of a reset, once`, async () => {
    const { owner, far } = await pair();
    far.resetAndDestroy();
    await owner.until(() => owner.has('close ECONNRESET'));
    assert.equal(owner.events.filter((event) => event.startsWith('close')).length, 1);
  });

  test(`${kind} resets its peer`, async () => {
    const { stream, far } = await pair();
    const error = new Promise<NodeJS.ErrnoException>((resolve) => far.once('error', resolve));
    stream.write('never sent');
    stream.reset();
    assert.equal((await error).code, 'ECONNRESET');
  });

  test(`${kind} whose owner throws is reset; the error is told, and others go on`, async () => {
    const [bad, good] = [await pair(), await pair()];
    bad.owner.hook = () => {
      throw new Error('our fault');
    };
    bad.far.write('x');
    await bad.owner.until(() => bad.owner.events.some((event) => event.startsWith('close')));
    assert.match(String(faults.pop()), /our fault/);
    good.far.write('still here');
    await good.owner.until(() => good.owner.text === 'still here');
    good.stream.destroy();
  });
}

test('a stream whose write failed has something unsent until it is closed', async () => {
  const { stream, owner, far } = await openedPair();
  far.resetAndDestroy();
  const bytes = pattern(20_000);
  stream.writeBytes(bytes, 0, bytes.length);
  assert.ok(stream.unsent > 0, 'at once');
  while (!owner.events.some((event) => event.startsWith('close'))) {
    assert.ok(stream.unsent > 0);
    await turn();
  }
});

test('a connection that is refused closes with the reason', async () => {
  const { port } = server.address() as net.AddressInfo;
  const closed = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const { port: free } = closed.address() as net.AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  assert.notEqual(free, port);
  const owner = new Recorder();
  transport.connect({ address: '127.0.0.1', port: free, tls: null }, owner);
  await owner.until(() => owner.events.length > 0);
  assert.deepEqual(owner.events, ['close ECONNREFUSED']);
});

for (const [kind, pair] of KINDS) {
  test(`bytes forwarded from ${kind} to a slow other one are those that came, though buffers are read into again`, async () => {
    const [from, to] = [await pair(), await acceptedPair()];
    from.stream.expectBulk(true);
    from.owner.hook = (bytes, start, end) => to.stream.writeBytes(bytes, start, end);
    const bytes = pattern(8_000_000);
    to.far.pause();
    from.far.end(bytes);
    await from.owner.until(() => from.owner.has('end'));
    to.stream.end();
    const got = await readAll(to.far);
    assert.ok(got.equals(bytes), `${got.length} of ${bytes.length} bytes, or others`);
    from.stream.destroy();
    to.stream.destroy();
  });
}

/** Sends everything that comes from one stream to another, through the kernel where it can. Returns how much went so. */
function forwarding(from: Pair, to: Pair): { bytes: number } {
  const past = { bytes: 0 };
  from.stream.expectBulk(true);
  from.owner.hook = (bytes, start, end) => {
    to.stream.writeBytes(bytes, start, end);
    past.bytes += from.stream.forward(to.stream, 1e9);
  };
  to.owner.onBlocked = () => from.stream.pause();
  to.owner.onDrain = () => from.stream.resume();
  const { onEnd } = from.owner;
  from.owner.onEnd = () => {
    onEnd.call(from.owner);
    to.stream.end();
  };
  return past;
}

const IN_CLEAR = KINDS.filter(([, pair]) => pair !== otherPair);
for (const [kind, pair] of IN_CLEAR) {
  for (const pace of ['fast', 'slow'] as const) {
    test(`what waits at ${kind} goes on to a ${pace} reader, behind what was written, whole and in order`, async () => {
      const [from, to] = [await pair(), await acceptedPair()];
      const past = forwarding(from, to);
      const bytes = pattern(20_000_000);
      to.stream.write('first ');
      from.far.end(bytes);
      const got = pace === 'fast' ? await readAll(to.far) : await readSlowly(to.far);
      assert.equal(got.toString('latin1', 0, 6), 'first ');
      assert.ok(got.subarray(6).equals(bytes), `${got.length} bytes, or others`);
      assert.equal(past.bytes + from.owner.received, bytes.length);
      assert.ok(past.bytes > 0, 'all of it was copied');
      from.stream.destroy();
      to.stream.destroy();
    });
  }
}

for (const [kind, pair] of IN_CLEAR) {
  test(`a reset right behind bytes that ${kind} forwarded is told as a reset, not as an end`, async () => {
    const [from, to] = [await pair(), await acceptedPair()];
    const past = forwarding(from, to);
    const { hook } = from.owner;
    from.owner.hook = () => from.stream.pause();
    from.far.write('x');
    await from.owner.until(() => from.owner.received === 1);
    await new Promise<void>((resolve) => void from.far.write(pattern(150_000), () => resolve()));
    from.owner.hook = (bytes, start, end) => {
      // The kernel has it before the next line.
      from.far.resetAndDestroy();
      hook(bytes, start, end);
    };
    to.far.resume();
    from.stream.resume();
    await from.owner.until(() => from.owner.events.some((event) => /^(end|close)/.test(event)));
    from.stream.destroy();
    to.stream.destroy();
    assert.equal(from.owner.events.at(-1), 'close ECONNRESET');
    assert.ok(past.bytes > 0, 'nothing was forwarded');
  });
}

test('no more is forwarded than is asked for', async () => {
  const [from, to] = [await acceptedPair(), await openedPair()];
  from.stream.expectBulk(true);
  let left = 300_001;
  from.owner.hook = (bytes, start, end) => {
    const size = Math.min(left, end - start);
    if (size > 0) to.stream.writeBytes(bytes, start, start + size);
    left -= size;
    if (left > 0) left -= from.stream.forward(to.stream, left);
    if (left === 0) to.stream.end();
  };
  const bytes = pattern(2_000_000);
  from.far.end(bytes);
  assert.ok((await readAll(to.far)).equals(bytes.subarray(0, 300_001)));
  from.stream.destroy();
});

test('a stream whose reader is gone, or that ended, is forwarded nothing', async () => {
  const [from, to] = [await acceptedPair(), await acceptedPair()];
  forwarding(from, to);
  to.far.resetAndDestroy();
  await to.owner.until(() => to.owner.has('close ECONNRESET'));
  from.far.write(pattern(1_000_000));
  await from.owner.until(() => from.owner.received > 100_000);
  assert.equal(from.stream.forward(to.stream, 1e9), 0);
  from.stream.destroy();
});

test('bytes of many streams that came at once do not mix, whether much is expected of them or not', async () => {
  const pairs: { pair: Pair; to: Pair }[] = [];
  for (const bulk of [false, true, false, true]) {
    const [pair, to] = [await acceptedPair(), await openedPair()];
    pair.stream.expectBulk(bulk);
    pair.owner.hook = (bytes, start, end) => to.stream.writeBytes(bytes, start, end);
    pairs.push({ pair, to });
  }
  const bodies = pairs.map((_, i) => Buffer.alloc(3_000_000, `${i}`));
  pairs.forEach(({ pair, to }, i) => {
    to.far.pause();
    pair.far.end(bodies[i]!);
  });
  for (const [i, { pair, to }] of pairs.entries()) {
    await pair.owner.until(() => pair.owner.has('end'));
    to.stream.end();
    assert.ok((await readAll(to.far)).equals(bodies[i]!), `stream ${i}`);
    pair.stream.destroy();
    to.stream.destroy();
  }
});

/** Sends on and on, from a thread of its own. */
const SOURCE = `
  const { workerData } = require('node:worker_threads');
  const socket = require('node:net').connect(workerData, '127.0.0.1');
  const send = () => { while (socket.write(Buffer.alloc(1 << 20))); socket.once('drain', send); };
  socket.on('error', () => {});
  send();`;

test('a stream that brings more and more leaves the loop to others after 2 MiB', async () => {
  waiting = Promise.withResolvers();
  const source = new Worker(SOURCE, { eval: true, workerData: listener.port });
  const { stream, owner } = await waiting.promise;
  stream.expectBulk(true);
  let [inTurn, most, all] = [0, 0, 0];
  owner.onData = (_bytes, start, end) => {
    inTurn += end - start;
  };
  while (all < 300_000_000) {
    await turn();
    most = Math.max(most, inTurn);
    all += inTurn;
    inTurn = 0;
  }
  await source.terminate();
  stream.destroy();
  assert.ok(most < 2.5 * 1024 * 1024, `${most} bytes`);
});

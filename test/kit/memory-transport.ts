/**
 * A Transport in memory that moves only when a test says so. What may happen next (bytes arrive, a connection
 * stands, a blocked stream drains, a stream is gone) is a list of steps; the test takes them in any order, so
 * that a seed decides every race.
 *
 * It is as unforgiving as the contract allows: received bytes stand in a buffer that is overwritten when the
 * callback returns, writes leave at the end of a callback, and a buffer that was handed over for good must not
 * change.
 */
import assert from 'node:assert/strict';
import type {
  ByteStream,
  Destination,
  Listener,
  StreamOwner,
  Transport,
} from '../../src/dataplane/transport/stream.ts';

/** Something that may happen now. */
export interface Step {
  readonly what: string;
  run(): void;
}

const SCRATCH_BYTES = 65_536;
const LARGEST_FORWARD = 1500;
/** Looks like the end of a head, so that a parser that reads too far is found out. */
const BEHIND = Buffer.from('\r\n\r\nX: y\r\n\r\n', 'latin1');

const nobody: StreamOwner = {
  onConnect() {},
  onData() {},
  onBlocked() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

interface Outgoing {
  readonly bytes: Buffer;
  /** The caller's own buffer, when it was not one of ours: it must still hold the same. */
  readonly source: Buffer | null;
}

/** One stream, as the code under test sees it. Its other end is {@link MemoryPeer}. */
export class MemoryStream implements ByteStream {
  owner: StreamOwner = nobody;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly peer: MemoryPeer;
  blocked = false;
  paused = false;
  destroyed = false;
  readonly #transport: MemoryTransport;
  #connecting: boolean;
  #pending = '';
  #outgoing: Outgoing[] = [];
  #outgoingBytes = 0;
  #bulk = false;
  /** Since the last read. */
  #forwarded = false;
  #drainDue = false;
  #ending = false;
  #endReceived = false;
  #destroyWhenSent = false;
  /** undefined: the stream lives; otherwise `onClose` is due with this. */
  #closeDue: string | null | undefined;
  #closed = false;

  constructor(transport: MemoryTransport, address: string, port: number, connecting: boolean) {
    this.#transport = transport;
    this.remoteAddress = address;
    this.remotePort = port;
    this.#connecting = connecting;
    this.peer = new MemoryPeer(this);
  }

  get unsent(): number {
    return this.#pending.length + this.#outgoingBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(text: string): void {
    for (let i = 0; i < text.length; i++) assert.ok(text.charCodeAt(i) < 256, 'one byte a character');
    if (this.#pending === '') this.#transport.dirty.add(this);
    this.#pending += text;
  }

  writeBytes(bytes: Buffer, start: number, end: number): void {
    assert.ok(0 <= start && start < end && end <= bytes.length, `${start}..${end} of ${bytes.length} bytes`);
    if (end - start <= this.#transport.coalesceBytes) return this.write(bytes.latin1Slice(start, end));
    this.#flushText();
    const part = bytes.subarray(start, end);
    this.#queue(Buffer.from(part), bytes.buffer === this.#transport.scratch.buffer ? null : part);
  }

  flush(): void {
    this.#flushText();
    this.pump();
  }

  #flushText(): void {
    const text = this.#pending;
    this.#pending = '';
    if (text !== '') this.#queue(Buffer.from(text, 'latin1'), null);
  }

  #queue(bytes: Buffer, source: Buffer | null): void {
    if (this.#ending || this.destroyed) return;
    this.#outgoing.push({ bytes, source });
    this.#outgoingBytes += bytes.length;
    this.pump();
    if (this.blocked || this.#outgoingBytes === 0) return;
    if (this.#outgoingBytes < this.#transport.highWaterMark) return;
    this.blocked = true;
    this.owner.onBlocked();
  }

  /** Gives the peer what it will take. */
  pump(): void {
    if (this.#connecting || this.destroyed) return;
    for (
      let first = this.#outgoing[0];
      first !== undefined && this.peer.window > 0;
      first = this.#outgoing[0]
    ) {
      if (first.source !== null)
        assert.ok(first.source.equals(first.bytes), 'bytes that wait to be sent changed');
      const size = Math.min(first.bytes.length, this.peer.window);
      this.peer.take(first.bytes.subarray(0, size));
      this.#outgoingBytes -= size;
      if (size === first.bytes.length) this.#outgoing.shift();
      else {
        this.#outgoing[0] = {
          bytes: first.bytes.subarray(size),
          source: first.source === null ? null : first.source.subarray(size),
        };
      }
    }
    if (this.#outgoing.length > 0 || this.destroyed) return;
    // As with sockets of Node.js, no drain is told once the end was asked for.
    if (this.blocked && !this.#ending) this.#drainDue = true;
    if (this.#ending) this.peer.ended = true;
    if (this.#destroyWhenSent) this.destroy();
    else this.#closeWhenBothEnded();
  }

  #closeWhenBothEnded(): void {
    if (!this.#ending || !this.#endReceived || this.#outgoing.length > 0) return;
    this.destroyed = true;
    this.#closeDue ??= null;
  }

  end(): void {
    if (this.destroyed) return;
    this.#flushText();
    this.#ending = true;
    this.pump();
  }

  destroyAfterFlush(): void {
    if (this.destroyed) return;
    this.#flushText();
    this.#ending = true;
    this.#destroyWhenSent = true;
    this.pump();
  }

  destroy(): void {
    this.#drop(this.peer.unread > 0 ? 'reset' : 'fin');
  }

  reset(): void {
    this.#drop('reset');
  }

  #drop(seenAs: 'fin' | 'reset'): void {
    this.#pending = '';
    if (this.destroyed) return;
    this.destroyed = true;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.peer.ended = true;
    this.peer.gone = seenAs;
    this.#closeDue ??= null;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  expectBulk(bulk: boolean): void {
    this.#bulk = bulk;
  }

  /** Some of what waits, so that the rest comes the usual way. */
  forward(to: ByteStream, most: number): number {
    if (!this.#bulk || this.paused || this.destroyed || !(to instanceof MemoryStream)) return 0;
    to.flush();
    if (to.unsent > 0 || to.destroyed || to.#ending) return 0;
    const size = Math.min(most, Math.ceil((this.peer.unread * 2) / 3), LARGEST_FORWARD);
    if (size === 0) return 0;
    const bytes = this.peer.read(size);
    to.#queue(Buffer.from(bytes), null);
    this.#forwarded = true;
    return bytes.length;
  }

  get hasMore(): boolean {
    return this.#forwarded && (this.peer.unread > 0 || this.peer.finished);
  }

  writeOncePerTurn(): void {}

  /** The peer reset the connection, or bytes were sent to one that is closed. */
  broken(error: string): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#closeDue = error;
  }

  /** What may happen to this stream now. `most` bounds the bytes of one `onData`. */
  steps(out: Step[], most: () => number): void {
    if (this.#closed) return;
    const { peer } = this;
    if (this.#closeDue !== undefined) {
      out.push({ what: 'close', run: () => this.#close() });
      return;
    }
    if (this.destroyed) return;
    if (this.#connecting) {
      if (peer.refusal !== null) {
        const refusal = peer.refusal;
        out.push({ what: 'refuse', run: () => this.broken(refusal) });
      } else if (peer.accepting) out.push({ what: 'connect', run: () => this.#connected() });
      return;
    }
    if (this.#drainDue) out.push({ what: 'drain', run: () => this.#drained() });
    if (this.paused) return;
    if (peer.unread > 0) out.push({ what: 'data', run: () => this.#deliver(peer.read(most())) });
    else if (peer.wasReset) out.push({ what: 'reset', run: () => this.broken('ECONNRESET') });
    else if (peer.finished && !this.#endReceived) out.push({ what: 'end', run: () => this.#endOfPeer() });
  }

  #connected(): void {
    this.#connecting = false;
    this.#transport.call(() => this.owner.onConnect());
    this.pump();
  }

  #deliver(bytes: Buffer): void {
    const { scratch } = this.#transport;
    this.#forwarded = false;
    const start = bytes.length % 7;
    const end = start + bytes.copy(scratch, start);
    BEHIND.copy(scratch, end);
    this.#transport.call(() => this.owner.onData(scratch, start, end));
    scratch.fill(0xaa, 0, end + BEHIND.length);
    this.#transport.flush();
  }

  #drained(): void {
    this.#drainDue = false;
    this.blocked = false;
    this.#transport.call(() => this.owner.onDrain());
  }

  #endOfPeer(): void {
    this.#endReceived = true;
    this.#transport.call(() => this.owner.onEnd());
    this.#closeWhenBothEnded();
  }

  #close(): void {
    this.#closed = true;
    this.#pending = '';
    const owner = this.owner;
    this.owner = nobody;
    const error = this.#closeDue ?? null;
    this.#transport.call(() => owner.onClose(error));
  }
}

/** The other end of a stream, in the hands of the test. */
export class MemoryPeer {
  readonly stream: MemoryStream;
  /** Bytes it will still take. */
  window = Number.POSITIVE_INFINITY;
  /** Nothing more comes from the stream. */
  ended = false;
  /** The stream is gone, and how that looked from here. */
  gone: 'fin' | 'reset' | null = null;
  /** For outgoing streams: the connection may stand. */
  accepting = true;
  /** For outgoing streams: the error a connection attempt ends with. */
  refusal: string | null = null;
  finished = false;
  wasReset = false;
  #closed = false;
  #sent: Buffer = Buffer.alloc(0);
  readonly #received: Buffer[] = [];
  receivedBytes = 0;

  constructor(stream: MemoryStream) {
    this.stream = stream;
  }

  /** Everything that came, as latin1 text. */
  text(): string {
    return Buffer.concat(this.#received).toString('latin1');
  }

  /** Sends bytes (latin1) to the stream. */
  send(bytes: string | Buffer): void {
    if (this.finished || this.stream.destroyed) return;
    const more = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    this.#sent = this.#sent.length === 0 ? more : Buffer.concat([this.#sent, more]);
  }

  /** Sends no more. */
  end(): void {
    this.finished = true;
  }

  /** Closes: sends no more, and answers what comes with a reset. */
  close(): void {
    this.finished = true;
    this.#closed = true;
    this.open(Number.POSITIVE_INFINITY);
  }

  reset(): void {
    if (this.stream.destroyed) return;
    this.wasReset = true;
    this.finished = true;
    this.#closed = true;
    this.#sent = Buffer.alloc(0);
  }

  /** Takes `bytes` more from now on. */
  open(bytes: number): void {
    this.window += bytes;
    this.stream.pump();
  }

  get unread(): number {
    return this.#sent.length;
  }

  get dead(): boolean {
    return this.#closed || this.stream.destroyed;
  }

  read(most: number): Buffer {
    const part = this.#sent.subarray(0, Math.min(most, SCRATCH_BYTES - 64));
    this.#sent = this.#sent.subarray(part.length);
    return part;
  }

  take(bytes: Buffer): void {
    if (this.#closed) {
      this.wasReset = true;
      this.stream.broken('EPIPE');
      return;
    }
    this.window -= bytes.length;
    this.receivedBytes += bytes.length;
    this.#received.push(bytes);
  }
}

export class MemoryTransport implements Transport {
  readonly highWaterMark: number;
  /** Up to this size what is written waits for the end of the callback; more goes at once, and may block at once. */
  readonly coalesceBytes: number;
  readonly scratch = Buffer.alloc(SCRATCH_BYTES, 0xaa);
  readonly dirty = new Set<MemoryStream>();
  readonly streams: MemoryStream[] = [];
  /** What waits for a moment to pass. */
  readonly #later: (() => void)[] = [];
  /** What owners threw: always a fault of the code under test. */
  readonly faults: unknown[] = [];
  /** Called with the other end of each connection that the code under test opens. */
  onOutgoing: (peer: MemoryPeer) => void = () => {};

  constructor(highWaterMark: number, coalesceBytes: number) {
    this.highWaterMark = highWaterMark;
    this.coalesceBytes = coalesceBytes;
  }

  listen(): Promise<Listener> {
    throw new Error('connections are made with accept()');
  }

  connect({ address, port }: Destination, owner: StreamOwner): ByteStream {
    const stream = this.#add(new MemoryStream(this, address, port, true), owner);
    this.onOutgoing(stream.peer);
    return stream;
  }

  /** A connection from a client; `own` gives the stream its owner. Returns the client's end. */
  accept(address: string, own: (stream: ByteStream) => StreamOwner): MemoryPeer {
    const stream = new MemoryStream(this, address, 40_000, false);
    this.#add(stream, own(stream));
    return stream.peer;
  }

  #add(stream: MemoryStream, owner: StreamOwner): MemoryStream {
    stream.owner = owner;
    this.streams.push(stream);
    return stream;
  }

  /** Runs a callback of an owner (or a timer); what it throws is kept. */
  call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.faults.push(error);
    }
  }

  /** Makes a step of a task that is due in a moment: any step may come before. */
  later(task: () => void): void {
    this.#later.push(task);
  }

  #runLater(): void {
    const task = this.#later.shift();
    if (task !== undefined) this.call(task);
  }

  /** Sends what was written since the last flush. */
  flush(): void {
    for (const stream of this.dirty) this.call(() => stream.flush());
    this.dirty.clear();
  }

  /** All that may happen now. */
  steps(most: () => number = () => SCRATCH_BYTES): Step[] {
    const out: Step[] = [];
    if (this.dirty.size > 0) out.push({ what: 'flush', run: () => this.flush() });
    for (const stream of this.streams) stream.steps(out, most);
    if (this.#later.length > 0) out.push({ what: 'later', run: () => this.#runLater() });
    return out;
  }

  /** Takes steps, first come first served, until nothing can happen without the test; reads of `most` bytes. */
  settle(most = SCRATCH_BYTES): void {
    for (let taken = 0; ; taken++) {
      const step = this.steps(() => most)[0];
      if (step === undefined) return;
      assert.ok(taken < 100_000, `it never settles: ${step.what}`);
      step.run();
    }
  }
}

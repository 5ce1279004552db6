/**
 * The portable transport: node:net. Hot path.
 *
 * What was measured (see docs/decisions): sockets read into our own buffers through `onread`; where Node does not
 * offer that, overriding `push` saves the stream machinery of a 'data' event; a latin1 default encoding saves the
 * look-up at each write.
 */
import net from 'node:net';
import { setTimeout as delay, setImmediate as nextCheck } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { stopHandshakes } from '../../linux/listen-queue.ts';
import { isReadable, openSplicePipe, type SplicePipe } from '../../linux/splice.ts';
import { plainAddress } from '../../model/ip-text.ts';
import { latin1 } from '../message/latin1.ts';
import { acceptReadingInto } from './accepted-handle.ts';
import {
  copyToBuffer,
  detachReadBuffer,
  pinned,
  READ_BUFFER_BYTES,
  type ReadBuffer,
  takeReadBuffer,
} from './read-buffers.ts';
import type { ByteStream, Destination, Listener, StreamOwner } from './stream.ts';

/** Up to this size a copy into the pending text is cheaper than a write of its own. */
const COALESCE_BYTES = 8192;
/** A read of this size shows that the next is worth a buffer of its own, where much is expected. */
const MUCH_BYTES = 16_384;
/** What is forwarded at once to a slow reader. */
const SLOW_BYTES = 65_536;
/** What one stream may bring before others have their turn; libuv alone reads 32 times in a row. */
const TURN_BYTES = 2 * 1024 * 1024;
const BACKLOG = 4096;
/** What a handshake that has begun gets to finish before its listener closes. */
const HANDSHAKE_MS = 150;

/**
 * What a socket reads into unless it brings much. Shared by all of them: bytes from it never outlive the callback,
 * because writes copy out of it.
 */
export const SHARED = Buffer.allocUnsafeSlow(65_536);
/** The part of it that a socket reads into whose bytes are forwarded by the kernel: a look at what comes. */
const GLANCE = SHARED.subarray(0, MUCH_BYTES);

/** Opened when it is needed first; null until then, and as long as the system has none to give. */
let splicing: SplicePipe | null = null;
/** Takes what a socket did not take of what was spliced to it. */
let overflow: ReadBuffer | null = null;

/** The buffer that the running `onData` reads from, when it is a ReadBuffer. */
let reading: ReadBuffer | null = null;

/** Streams with text that waits for the end of the running callback. */
const dirty: NetStream[] = [];
let flushScheduled = false;
let inCallback = false;

function flushDirty(): void {
  flushScheduled = false;
  settleAll(dirty);
}

/** Also those that join meanwhile. */
function settleAll(streams: NetStream[]): void {
  for (let i = 0; i < streams.length; i++) {
    try {
      streams[i]!.settle();
    } catch (error) {
      streams[i]!.reset();
      onFault(error);
    }
  }
  streams.length = 0;
}

/** Streams with text that waits for the end of the loop's turn. */
const collecting: NetStream[] = [];

function flushCollecting(): void {
  settleAll(collecting);
}

function markDirty(stream: NetStream): void {
  if (stream.oncePerTurn) {
    if (collecting.length === 0) setImmediate(flushCollecting);
    collecting.push(stream);
    return;
  }
  dirty.push(stream);
  if (!inCallback && !flushScheduled) {
    flushScheduled = true;
    setImmediate(flushDirty);
  }
}

/** Streams that are read again when the others had their turn. */
const yielding: NetStream[] = [];

function readOn(): void {
  for (const stream of yielding) stream.readOn();
  yielding.length = 0;
}

const STREAM = Symbol('stream');
interface OwnedSocket extends net.Socket {
  [STREAM]: NetStream;
}

const nobody: StreamOwner = {
  onConnect() {},
  onData() {},
  onBlocked() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

export class NetStream implements ByteStream {
  owner: StreamOwner = nobody;
  socket: net.Socket;
  blocked = false;
  paused = false;
  resuming = false;
  error: string | null = null;
  pending = '';
  oncePerTurn = false;
  /** The buffer of its own that the socket reads into, if it has one. */
  buffer: ReadBuffer | null = null;
  bulk = false;
  /** Bytes that came with the last read, and whether they filled the buffer: more are waiting then. */
  lastRead = 0;
  filled = false;
  /** Its bytes go on through the kernel, as far as the other side takes them: it needs no buffer of its own. */
  forwarded = false;
  /** Bytes that came in reads that were all full: without a pause, as far as libuv lets it. */
  inTurn = 0;
  /** It did not take at once what it was given: what waits for it shall take no more memory than it needs. */
  slow = false;
  /** A write failed: it is about to be destroyed. */
  broken = false;
  /** Its bytes are those of the connection. */
  readonly inClear: boolean = true;
  readonly accepted: boolean;
  /** Its socket has no `onread`: each read comes in memory of its own. */
  pushes = false;

  constructor(socket: net.Socket, accepted: boolean) {
    this.socket = socket;
    this.accepted = accepted;
  }

  get remoteAddress(): string {
    return plainAddress(this.socket.remoteAddress ?? '');
  }

  get remotePort(): number {
    return this.socket.remotePort ?? 0;
  }

  write(text: string): void {
    if (this.pending === '') markDirty(this);
    this.pending += text;
  }

  writeBytes(bytes: Buffer, start: number, end: number): void {
    if (end - start <= COALESCE_BYTES) {
      this.write(latin1(bytes, start, end));
      return;
    }
    const socket = this.socket;
    if (!socket.writable) return;
    const text = this.pending;
    if (text !== '') {
      this.pending = '';
      socket.cork();
      socket.write(text);
    }
    if (reading !== null) {
      reading.pins++;
      socket.write(bytes.subarray(start, end), reading.release);
    } else if (bytes.buffer !== SHARED.buffer) socket.write(bytes.subarray(start, end));
    else if (this.slow) socket.write(Buffer.from(bytes.subarray(start, end)));
    else {
      const copy = copyToBuffer(bytes, start, end);
      socket.write(copy.bytes.subarray(0, end - start), copy.release);
    }
    if (text !== '') socket.uncork();
    if (socket.writableLength > 0) {
      if (reading !== null) reading.retained = true;
      this.slow = true;
      this.#noteBlocked();
    }
  }

  forward(to: ByteStream, most: number): number {
    this.forwarded = false;
    if (!this.bulk || !this.filled || this.paused || !this.inClear) return 0;
    if (!(to instanceof NetStream) || !to.inClear) return 0;
    const pipe = splicing ?? openSplicePipe(READ_BUFFER_BYTES);
    splicing = pipe;
    const [out, into] = [descriptorOf(this.socket), descriptorOf(to.socket)];
    if (pipe === null || out < 0 || into < 0) return 0;
    this.forwarded = true;
    to.flush();
    // No more than `overflow` holds.
    const turn = Math.min(most, to.slow ? SLOW_BYTES : READ_BUFFER_BYTES);
    let moved = 0;
    while (moved < turn && to.socket.writable && to.socket.writableLength === 0) {
      overflow ??= takeReadBuffer();
      // A pipe that a fault of ours left filled is not used again: its bytes would be somebody else's.
      splicing = null;
      const count = pipe.move(out, into, turn - moved, overflow.bytes);
      splicing = pipe;
      if (count < 0) this.#brokenBy(count);
      if (count <= 0) break;
      moved += count;
      if (pipe.overflowed > 0) to.#writeOverflow(pipe.overflowed);
    }
    if (moved > 0 && to.socket.writableLength === 0) to.slow = false;
    this.inTurn += moved;
    return moved;
  }

  /** As Node does when a read fails. */
  #brokenBy(errno: number): void {
    const code = getSystemErrorName(errno);
    this.socket.destroy(Object.assign(new Error(`splice ${code}`), { code, errno, syscall: 'splice' }));
  }

  /** Goes the usual way, which waits for the peer and tells of errors. */
  #writeOverflow(size: number): void {
    this.slow = true;
    if (size <= SLOW_BYTES) this.socket.write(Buffer.from(overflow!.bytes.subarray(0, size)));
    else {
      const { bytes, release } = pinned(overflow!);
      overflow = null;
      this.socket.write(bytes.subarray(0, size), release);
    }
    this.#noteBlocked();
  }

  get hasMore(): boolean {
    // Else the kernel had no more than was read.
    if (!this.filled || !this.inClear) return false;
    const descriptor = descriptorOf(this.socket);
    return descriptor >= 0 && isReadable(descriptor);
  }

  /** What is left to do when the running callback returns. */
  settle(): void {
    this.flush();
    if (!this.resuming) return;
    this.resuming = false;
    this.readOn();
  }

  readOn(): void {
    // The documented way for a Readable to ask its source for more; a no-op while the handle is reading.
    if (!this.paused && !this.socket.destroyed) this.socket._read(0);
  }

  /** False when it is to stop reading: it is paused, or it is the turn of others. */
  goesOn(): boolean {
    if (this.paused || this.inTurn < TURN_BYTES) return !this.paused;
    this.inTurn = 0;
    if (yielding.push(this) === 1) setImmediate(readOn);
    return false;
  }

  /** Sends the pending text. */
  flush(): void {
    const text = this.pending;
    if (text === '') return;
    this.pending = '';
    const socket = this.socket;
    if (socket.writable && !socket.write(text)) this.#noteBlocked();
  }

  #noteBlocked(): void {
    if (this.blocked || !this.socket.writableNeedDrain) return;
    this.blocked = true;
    this.owner.onBlocked();
  }

  end(): void {
    this.flush();
    // Node makes an error, with its stack, of a second end.
    if (!this.socket.writableEnded) this.socket.end();
  }

  get unsent(): number {
    const handle = (this.socket as unknown as { _handle: { writeQueueSize: number } | null })._handle;
    // What a failed write had to send is counted by nobody.
    const lost = this.socket.errored === null ? 0 : 1;
    // The stream counts a chunk until all of it is taken, the handle what is left of it.
    return lost + this.pending.length + this.socket.writableLength + (handle?.writeQueueSize ?? 0);
  }

  destroyAfterFlush(): void {
    this.flush();
    this.socket.destroySoon();
  }

  destroy(): void {
    this.pending = '';
    this.socket.destroy();
  }

  reset(): void {
    this.pending = '';
    this.socket.resetAndDestroy();
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    // An accepted socket stops by the return value of the next push.
    if (!this.accepted) this.socket.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.accepted) {
      // Put off, so that a pause in the same turn wins.
      this.resuming = true;
      markDirty(this);
    } else this.socket.resume();
  }

  writeOncePerTurn(): void {
    this.oncePerTurn = true;
  }

  expectBulk(bulk: boolean): void {
    this.bulk = bulk;
  }

  /**
   * What the socket reads into next. Thousands of slow senders share one buffer, whatever they promised to send.
   */
  nextBuffer(): Buffer {
    const current = this.buffer;
    // Who is paused may be so for long.
    if (this.bulk && this.lastRead >= MUCH_BYTES && !this.paused) {
      if (this.forwarded) {
        this.dropBuffer();
        return GLANCE;
      }
      if (current !== null && !current.retained) return current.bytes;
      if (current !== null) detachReadBuffer(current);
      this.buffer = takeReadBuffer();
      return this.buffer.bytes;
    }
    this.dropBuffer();
    return SHARED;
  }

  dropBuffer(): void {
    if (this.buffer === null) return;
    detachReadBuffer(this.buffer);
    this.buffer = null;
  }
}

/** A fault of ours ends the one stream it happened on; the rest of the worker goes on. */
function deliver(stream: NetStream, bytes: Buffer, length: number): void {
  inCallback = true;
  try {
    stream.owner.onData(bytes, 0, length);
  } catch (error) {
    stream.reset();
    onFault(error);
  }
  inCallback = false;
  if (dirty.length > 0) flushDirty();
}

let onFault: (error: unknown) => void = (error) => {
  throw error;
};

/** The stream whose read was just delivered: Node asks what it reads into next right after. */
let justRead: NetStream | null = null;

/** How Node reads into our buffers. One object for all sockets: Node calls `callback` as a method of the socket. */
const READING: net.OnReadOpts = {
  buffer(): Buffer {
    const stream = justRead;
    justRead = null;
    return stream === null ? SHARED : stream.nextBuffer();
  },
  callback(this: OwnedSocket, count: number, bytes: Uint8Array): boolean {
    const stream = this[STREAM];
    const outer = reading;
    stream.lastRead = count;
    stream.filled = count === bytes.length;
    stream.inTurn = stream.filled ? stream.inTurn + count : 0;
    stream.forwarded = false;
    reading = stream.buffer;
    deliver(stream, bytes as Buffer, count);
    reading = outer;
    justRead = stream;
    return stream.goesOn();
  },
};

/** Replaces Readable.push on sockets without `onread`. Returns false to stop reading. */
function pushToOwner(this: OwnedSocket, chunk: Buffer | null): boolean {
  if (chunk === null) return net.Socket.prototype.push.call(this, null);
  const stream = this[STREAM];
  deliver(stream, chunk, chunk.length);
  return !stream.paused;
}

/** Calls the owner about something other than data, with the same care as {@link deliver}. */
export function tell(stream: NetStream, what: 'onConnect' | 'onDrain' | 'onEnd'): void {
  const nested = inCallback;
  inCallback = true;
  try {
    stream.owner[what]();
  } catch (error) {
    stream.reset();
    onFault(error);
  }
  inCallback = nested;
  if (!nested && dirty.length > 0) flushDirty();
}

function onEnd(this: OwnedSocket): void {
  tell(this[STREAM], 'onEnd');
}

function onDrain(this: OwnedSocket): void {
  const stream = this[STREAM];
  stream.blocked = false;
  tell(stream, 'onDrain');
}

function onError(this: OwnedSocket, error: NodeJS.ErrnoException): void {
  this[STREAM].error = error.code ?? 'UNKNOWN';
}

function onClose(this: OwnedSocket): void {
  const stream = this[STREAM];
  stream.dropBuffer();
  stream.pending = '';
  const owner = stream.owner;
  stream.owner = nobody;
  try {
    owner.onClose(stream.error);
  } catch (error) {
    onFault(error);
  }
}

function onConnect(this: OwnedSocket): void {
  tell(this[STREAM], 'onConnect');
}

function ignoreData(): void {}

/** Makes the stream hear of what happens to its socket. */
function adopt<S extends NetStream>(stream: S): S {
  const { socket } = stream;
  (socket as OwnedSocket)[STREAM] = stream;
  socket.setDefaultEncoding('latin1');
  socket.on('error', onError);
  socket.on('close', onClose);
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  return stream;
}

/** As {@link adopt}, for a socket without `onread`. */
export function adoptPushing<S extends NetStream>(stream: S): S {
  const { socket } = adopt(stream);
  stream.pushes = true;
  socket.push = pushToOwner as typeof socket.push;
  socket.on('data', ignoreData);
  return stream;
}

/** The descriptor of a socket that is open, else -1. */
function descriptorOf(socket: net.Socket): number {
  const { _handle: handle } = socket as unknown as { _handle: { fd?: number } | null };
  return handle?.fd ?? -1;
}

/** The stream that was made of a socket. */
export function streamOf(socket: net.Socket): NetStream {
  return (socket as OwnedSocket)[STREAM];
}

/** Another stream over the same socket takes the place of this one. */
export function replaceStream(stream: NetStream, next: NetStream): void {
  stream.owner = nobody;
  (next.socket as OwnedSocket)[STREAM] = next;
}

/** Undoes {@link adopt} and {@link adoptPushing}: the socket is somebody else's from now on. */
export function disown(stream: NetStream): net.Socket {
  const { socket } = stream;
  stream.owner = nobody;
  socket.push = net.Socket.prototype.push;
  socket.off('data', ignoreData);
  socket.off('error', onError);
  socket.off('close', onClose);
  socket.off('end', onEnd);
  socket.off('drain', onDrain);
  return socket;
}

/** As {@link Transport.listen}; `nodeVersion` decides how connections are accepted. */
export async function listenNet(
  address: string,
  port: number,
  accept: (stream: ByteStream) => StreamOwner,
  nodeVersion = process.versions.node,
): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, reusePort: true, backlog: BACKLOG }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  const own = (stream: NetStream): void => {
    try {
      stream.owner = accept(stream);
    } catch (error) {
      stream.reset();
      onFault(error);
    }
  };
  const take = (socket: net.Socket): void => own(adopt(new NetStream(socket, true)));
  if (!acceptReadingInto(server, READING, take, nodeVersion)) {
    server.on('connection', (socket) => own(adoptPushing(new NetStream(socket, true))));
  }
  // EMFILE and the like: the kernel keeps the connection queued and accepting goes on later.
  server.on('error', () => {});
  const bound = server.address() as net.AddressInfo;
  return {
    address: bound.address,
    port: bound.port,
    async close() {
      const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
      if (stopHandshakes(fd)) await delay(HANDSHAKE_MS);
      // Right after a poll, whose accept loop has just emptied the queue.
      await nextCheck();
      server.close();
    },
  };
}

/**
 * Replaces destroy of outgoing sockets. A write that fails says that the peer has closed, not that it has said nothing:
 * who refuses an upload answers, closes, and resets what still comes. Its answer may wait in the kernel, so what is
 * there is read before the socket goes: by the second immediate a poll has passed as a whole.
 */
function destroyWhenRead(this: OwnedSocket, error?: Error): OwnedSocket {
  const failed = error as NodeJS.ErrnoException | undefined;
  if (failed?.syscall !== 'write' || this[STREAM].broken)
    return net.Socket.prototype.destroy.call(this, error) as OwnedSocket;
  this[STREAM].broken = true;
  setImmediate(() => setImmediate(() => this.destroy(error)));
  return this;
}

/** Without TLS, whatever the destination says. */
export function connectNet({ address, port }: Destination, owner: StreamOwner): ByteStream {
  const socket = net.connect({ host: address, port, noDelay: true, allowHalfOpen: true, onread: READING });
  const stream = adopt(new NetStream(socket, false));
  stream.owner = owner;
  socket.destroy = destroyWhenRead;
  socket.once('connect', onConnect);
  return stream;
}

/** `fault` is told of each error that an owner threw; the stream was reset. */
export function onNetFault(fault: (error: unknown) => void): void {
  onFault = fault;
}

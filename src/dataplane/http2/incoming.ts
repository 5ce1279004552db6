/**
 * What a peer sends, of either role: bytes into frames whose form is right (RFC 9113 6), header blocks put together.
 * What the frames mean is the handler's. Pure: no sockets. Hot path.
 */
import { FrameReader, type FrameSink, TOO_LARGE } from './frame-reader.ts';
import * as frame from './frames.ts';
import { HeaderBlock } from './header-block.ts';

/** Those that return a number return NO_ERROR, or the code to end the connection with. */
export interface FrameHandler {
  /** `bytes[start, end)` is the content, `size` what counts against the windows. */
  onDataFrame(id: number, bytes: Buffer, start: number, end: number, size: number, ended: boolean): number;
  /** A whole header block. `selfDependent`: its stream shall depend on itself (RFC 7540 5.3.1). */
  onBlock(
    id: number,
    ended: boolean,
    selfDependent: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): number;
  /** {@link Incoming.inBlock} changed. */
  onBlockOpen(): void;
  onPriority(): number;
  onReset(id: number, code: number): number;
  /** A multiple of six bytes. */
  onSettings(bytes: Buffer, start: number, end: number): number;
  onSettingsAck(): number;
  /** `data` is eight bytes as text; `isAnswer`: to a PING of ours. */
  onPing(isAnswer: boolean, data: string): number;
  onGoaway(lastId: number, code: number): number;
  onWindowUpdate(id: number, increment: number): number;
  /** A frame of an unknown type. */
  onUseless(): number;
  /** Called once, nothing follows. */
  onConnectionError(code: number): void;
}

export class Incoming implements FrameSink {
  /** The first frame, which must be SETTINGS, came. */
  settingsSeen = false;
  readonly #handler: FrameHandler;
  readonly #reader = new FrameReader();
  readonly #block = new HeaderBlock();
  #stopped = false;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** The rest of a header block has yet to come. */
  get inBlock(): boolean {
    return this.#block.id !== 0;
  }

  /** Nothing more is handed on. */
  stop(): void {
    this.#stopped = true;
    this.#block.end();
  }

  feed(bytes: Buffer, start: number, end: number): void {
    if (this.#stopped) return;
    if (this.#reader.feed(bytes, start, end, this) === TOO_LARGE) this.#fail(frame.FRAME_SIZE_ERROR);
  }

  #fail(code: number): void {
    if (this.#stopped) return;
    this.stop();
    this.#handler.onConnectionError(code);
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const inBlock = this.#block.id;
    if (inBlock !== 0 && (type !== frame.CONTINUATION || id !== inBlock)) this.#fail(frame.PROTOCOL_ERROR);
    else if (!this.settingsSeen && type !== frame.SETTINGS) this.#fail(frame.PROTOCOL_ERROR);
    else {
      const code = this.#dispatch(type, flags, id, bytes, start, end);
      if (code !== frame.NO_ERROR) this.#fail(code);
    }
    return !this.#stopped;
  }

  #dispatch(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    const size = end - start;
    switch (type) {
      case frame.DATA:
        return this.#onData(flags, id, bytes, start, end);
      case frame.HEADERS:
        return this.#onHeaders(flags, id, bytes, start, end);
      case frame.PRIORITY:
        if (id === 0) return frame.PROTOCOL_ERROR;
        if (size !== 5) return frame.FRAME_SIZE_ERROR;
        if ((bytes.readUInt32BE(start) & frame.MAX_WINDOW) === id) return frame.PROTOCOL_ERROR;
        return this.#handler.onPriority();
      case frame.RST_STREAM:
        if (size !== 4) return frame.FRAME_SIZE_ERROR;
        return id === 0 ? frame.PROTOCOL_ERROR : this.#handler.onReset(id, bytes.readUInt32BE(start));
      case frame.SETTINGS:
        return id === 0 ? this.#onSettings(flags, bytes, start, end) : frame.PROTOCOL_ERROR;
      case frame.PING:
        if (id !== 0) return frame.PROTOCOL_ERROR;
        if (size !== 8) return frame.FRAME_SIZE_ERROR;
        return this.#handler.onPing((flags & frame.ACK) !== 0, bytes.latin1Slice(start, end));
      case frame.GOAWAY:
        if (id !== 0) return frame.PROTOCOL_ERROR;
        if (size < 8) return frame.FRAME_SIZE_ERROR;
        return this.#handler.onGoaway(
          bytes.readUInt32BE(start) & frame.MAX_WINDOW,
          bytes.readUInt32BE(start + 4),
        );
      case frame.WINDOW_UPDATE:
        if (size !== 4) return frame.FRAME_SIZE_ERROR;
        return this.#handler.onWindowUpdate(id, bytes.readUInt32BE(start) & frame.MAX_WINDOW);
      case frame.CONTINUATION:
        return this.#onContinuation(flags, bytes, start, end);
      case frame.PUSH_PROMISE:
        // A client never sends it, and no server may send it to us: we say so in our SETTINGS.
        return frame.PROTOCOL_ERROR;
      default:
        return this.#handler.onUseless();
    }
  }

  #onData(flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    if (id === 0) return frame.PROTOCOL_ERROR;
    const size = end - start;
    let from = start;
    let to = end;
    if ((flags & frame.PADDED) !== 0) {
      if (size === 0) return frame.FRAME_SIZE_ERROR;
      to -= bytes[from++]!;
      if (to < from) return frame.PROTOCOL_ERROR;
    }
    return this.#handler.onDataFrame(id, bytes, from, to, size, (flags & frame.END_STREAM) !== 0);
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    // Streams of even numbers are those that servers push.
    if ((id & 1) === 0) return frame.PROTOCOL_ERROR;
    let from = start;
    let to = end;
    if ((flags & frame.PADDED) !== 0) {
      if (from === to) return frame.FRAME_SIZE_ERROR;
      to -= bytes[from++]!;
    }
    let selfDependent = false;
    if ((flags & frame.HAS_PRIORITY) !== 0) {
      if (end - from < 5) return frame.FRAME_SIZE_ERROR;
      selfDependent = (bytes.readUInt32BE(from) & frame.MAX_WINDOW) === id;
      from += 5;
    }
    if (to < from) return frame.PROTOCOL_ERROR;
    if ((flags & frame.END_HEADERS) === 0) {
      this.#block.begin(id, flags, selfDependent, bytes, from, to);
      this.#handler.onBlockOpen();
      return frame.NO_ERROR;
    }
    return this.#handler.onBlock(id, (flags & frame.END_STREAM) !== 0, selfDependent, bytes, from, to);
  }

  #onContinuation(flags: number, bytes: Buffer, start: number, end: number): number {
    const block = this.#block;
    if (block.id === 0) return frame.PROTOCOL_ERROR;
    if (!block.add(bytes, start, end)) return frame.ENHANCE_YOUR_CALM;
    if ((flags & frame.END_HEADERS) === 0) return frame.NO_ERROR;
    const { id, bytes: whole, size, selfDependent } = block;
    const ended = (block.flags & frame.END_STREAM) !== 0;
    block.end();
    const code = this.#handler.onBlock(id, ended, selfDependent, whole!, 0, size);
    this.#handler.onBlockOpen();
    return code;
  }

  #onSettings(flags: number, bytes: Buffer, start: number, end: number): number {
    if ((flags & frame.ACK) !== 0) {
      if (!this.settingsSeen) return frame.PROTOCOL_ERROR;
      return end === start ? this.#handler.onSettingsAck() : frame.FRAME_SIZE_ERROR;
    }
    if ((end - start) % 6 !== 0) return frame.FRAME_SIZE_ERROR;
    this.settingsSeen = true;
    return this.#handler.onSettings(bytes, start, end);
  }
}

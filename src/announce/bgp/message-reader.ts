/** Cuts a byte stream into messages; keeps at most one message in pieces. Pure: no sockets. */
import type { Message } from './message.ts';
import { decodeMessage, messageLength } from './messages.ts';
import type { Malformed } from './notification.ts';

export class MessageReader {
  #rest: Buffer = Buffer.alloc(0);
  /** Set once the OPENs are exchanged: both sides speak RFC 6793. */
  fourOctetAs = true;

  /**
   * Hands on every message that is complete with `bytes`. `onMessage` returns false to read no further; so does
   * a malformed message, of which it is told as well.
   */
  feed(bytes: Buffer, onMessage: (message: Message | Malformed) => boolean): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    this.#rest = Buffer.alloc(0);
    let at = 0;
    for (;;) {
      const length = messageLength(all, at);
      if (length === null || (typeof length === 'number' && length > all.length - at)) break;
      if (typeof length !== 'number') {
        onMessage(length);
        return;
      }
      const message = decodeMessage(all.subarray(at, at + length), this.fourOctetAs);
      at += length;
      if (!onMessage(message) || message.type === 'malformed') return;
    }
    // A copy, so that a large received chunk is not kept for its last bytes.
    if (at < all.length) this.#rest = Buffer.from(all.subarray(at));
  }
}

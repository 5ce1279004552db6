/** What a stream is beside its contract: which of this host's addresses the client asked. */
import { NetStream } from './net.ts';
import type { ByteStream } from './stream.ts';

/** IP literal without scope; '' when it is not known or the stream is already gone. */
export function localAddressOf(stream: ByteStream): string {
  const address = stream instanceof NetStream ? (stream.socket.localAddress ?? '') : '';
  return address.startsWith('::ffff:') ? address.slice(7) : (address.split('%', 1)[0] ?? '');
}

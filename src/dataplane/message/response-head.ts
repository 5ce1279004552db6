/** A response's head as the exchange sees it. Valid until the codec that owns it is given more bytes. */
import { FieldBlock } from './fields.ts';

export class ResponseHead {
  readonly fields: FieldBlock;
  status = 0;
  /** As sent; '' when there was none. */
  reason = '';
  minorVersion = 1;
  /** Came by HTTP/2, where trailers may follow content of a known length. */
  http2 = false;
  /** -1 when there is none. */
  contentLength = -1;
  /** There is no content, though no length says so: it ended with its head (HTTP/2). */
  noContent = false;
  chunked = false;
  close = false;
  keepAlive = false;
  /** How long the backend keeps the connection when it idles; -1 when it does not say. */
  keepAliveSeconds = -1;
  /** Value of Upgrade when Connection lists it too, else ''. */
  upgrade = '';
  listed: string[] | null = null;

  constructor(fields = new FieldBlock()) {
    this.fields = fields;
  }
}

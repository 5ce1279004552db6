/**
 * A request's head as the exchange sees it, whatever protocol it came in by. A codec owns one and fills it for
 * each request; it is valid until the codec is given more bytes.
 */
import { FieldBlock } from './fields.ts';

export class RequestHead {
  readonly fields = new FieldBlock();
  method = '';
  /** `/path?query`, or `*` for OPTIONS. */
  target = '';
  /** Length of the path in `target`, without the query. */
  pathLength = 0;
  /** The path has neither an escape, nor `//`, nor a segment that starts with a dot. */
  plainPath = true;
  /** 0 or 1, of HTTP/1.x. */
  minorVersion = 1;
  /** Came by HTTP/2, which can do what 1.1 can: `minorVersion` is 1. */
  http2 = false;
  /** `host` or `host:port` as sent; '' only in HTTP/1.0. */
  authority = '';
  /** -1 when there is none. */
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  /** Value of Upgrade when Connection lists it too, else ''. */
  upgrade = '';
  /** Lower-case names that Connection declares to end here. */
  listed: string[] | null = null;
  expectContinue = false;
  /** `TE: trailers` was sent (and listed in Connection, or not: it is ours to re-add). */
  trailersWanted = false;

  /** True when body bytes follow the head. */
  hasBody(): boolean {
    return this.chunked || this.contentLength > 0;
  }
}

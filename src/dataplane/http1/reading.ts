/** What the next bytes of a client connection are. */
export const HEAD = 0;
export const BODY = 1;
/** The request is read whole; bytes now belong to a later one and wait. */
export const WAIT = 2;
export const TUNNEL = 3;
/** Rest of a body whose exchange is over. */
export const DISCARD = 4;
/** We have said our last word; what comes is dropped so that the client can read it (no RST). */
export const CLOSING = 5;
/** The response was cut: nothing is read, what was written may still leave. */
export const CUT = 6;
export const CLOSED = 7;

/** Where an exchange stands; what comes later is greater. */
export const ROUTING = 0;
/** Waits a moment before it is tried again. */
export const BACKING_OFF = 1;
/** Waits for a free connection of an endpoint. */
export const WAITING = 2;
export const CONNECTING = 3;
/** The request (or its head) is on its way; no byte of a final response yet. */
export const SENT = 4;
export const RESPONDING = 5;
export const TUNNEL = 6;
export const OVER = 7;

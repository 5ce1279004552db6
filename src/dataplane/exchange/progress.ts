/** Where an exchange stands; what comes later is greater. */
export const ROUTING = 0;
/** Waits for a free connection of an endpoint. */
export const WAITING = 1;
export const CONNECTING = 2;
/** The request (or its head) is on its way; no byte of a final response yet. */
export const SENT = 3;
export const RESPONDING = 4;
export const TUNNEL = 5;
export const OVER = 6;

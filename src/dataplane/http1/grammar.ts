/** Byte classes of RFC 9110 and 9112 as tables of 256, so that the parser's loops are one load a byte. */

/** 1 for `tchar` (RFC 9110 5.6.2), 3 for `_`, which is one too but makes a field line suspicious. */
export const TOKEN = new Uint8Array(256);
for (const c of "!#$%&'*+-.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  TOKEN[c.charCodeAt(0)] = 1;
}
TOKEN[0x5f] = 3;

/** 1 for what a field value may hold: HTAB, SP, VCHAR and obs-text; no other control byte. */
export const VALUE = new Uint8Array(256).fill(1, 32);
VALUE[9] = 1;
VALUE[127] = 0;

/**
 * 1 for what a request target may hold: visible ASCII except `#` (RFC 3986 has no fragment here). Characters
 * like `|` or `{` are not URI characters but are sent by browsers; they are passed on as they are.
 */
export const TARGET = new Uint8Array(256).fill(1, 33, 127);
TARGET[0x23] = 0;

/** Value of a hexadecimal digit, 255 for anything else. */
export const HEX = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) {
  HEX['0123456789abcdef'.charCodeAt(i)] = i;
  HEX['0123456789ABCDEF'.charCodeAt(i)] = i;
}

/** True when the whole text is one token. */
export function isToken(text: string): boolean {
  if (text === '') return false;
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] === 0) return false;
  return true;
}

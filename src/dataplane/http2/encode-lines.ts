/** `Name: value` lines, which are how heads and trailers travel in here, as HPACK blocks. Pure. Hot path. */
import { encodeField } from './hpack-encode.ts';

/** Whole lines, each ended by CRLF (trailers, our own fields), as a block. */
export function encodeLines(lines: string): string {
  let block = '';
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf('\r\n', at);
    const colon = lines.indexOf(':', at);
    block += encodeField(lines.slice(at, colon).toLowerCase(), withoutBlanks(lines, colon + 1, end));
    at = end + 2;
  }
  return block;
}

/**
 * `text[start, end)` without the blanks around a value, which are not part of it, and malformed in HTTP/2 (RFC 9113
 * 8.2.1). Not `trim`: that takes 0xa0 for one, a byte that letters in UTF-8 end with.
 */
export function withoutBlanks(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isBlank(c: number): boolean {
  return c === 32 || c === 9;
}

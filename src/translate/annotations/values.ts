/** The value grammars that annotations share, as ingress-nginx reads them. */

export const EXPECTED_BOOLEAN = 'true or false';

/** As Go's ParseBool, which ingress-nginx uses; null for anything else. */
export function toBoolean(value: string): boolean | null {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
  return /^(?:0|f|F|false|FALSE|False)$/.test(value) ? false : null;
}

/** The longest a JavaScript timer can wait is 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

export const EXPECTED_SECONDS = `a whole number of seconds from 0 (no limit) to ${MAX_SECONDS}, without unit`;

/** Takes whole seconds without unit (`60`, never `60s`); gives milliseconds, null for anything else. */
export function secondsToMs(value: string): number | null {
  if (!/^\+?\d{1,7}$/.test(value)) return null;
  const seconds = Number(value);
  return seconds > MAX_SECONDS ? null : seconds * 1000;
}

export const EXPECTED_SIZE = 'a size like 8m: digits and at most one of b, k, m, g; 0 for no limit';

/** Takes digits and at most one of b, k, m, g (powers of 1024); gives bytes, null for anything else. */
export function sizeToBytes(value: string): number | null {
  const match = /^(\d{1,15})([bkmg]?)$/i.exec(value);
  if (match === null) return null;
  const factor = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match[2]!.toLowerCase()]!;
  const bytes = Number(match[1]) * factor;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

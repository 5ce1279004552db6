/** BGP communities as users write them: RFC 1997 `64512:100`, RFC 8092 `large:64512:1:2`. */

export type BgpCommunity =
  /** `value` is the 32-bit number on the wire. */
  | { readonly kind: 'standard'; readonly value: number }
  | { readonly kind: 'large'; readonly global: number; readonly local1: number; readonly local2: number };

/**
 * Reads one community. `null`: the text is not written like one (it may be the name of a Community entry);
 * `'out-of-range'`: it is, but a number is too large.
 */
export function parseCommunity(text: string): BgpCommunity | 'out-of-range' | null {
  const large = text.startsWith('large:');
  const parts = (large ? text.slice('large:'.length) : text).split(':');
  if (parts.length !== (large ? 3 : 2) || !parts.every((part) => /^\d{1,20}$/.test(part))) return null;
  const [a = 0, b = 0, c = 0] = parts.map(Number);
  const max = large ? 0xffff_ffff : 0xffff;
  if (a > max || b > max || c > max) return 'out-of-range';
  if (large) return { kind: 'large', global: a, local1: b, local2: c };
  return { kind: 'standard', value: a * 0x1_0000 + b };
}

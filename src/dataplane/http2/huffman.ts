/** The Huffman code of HPACK (RFC 7541 5.2 and appendix B). Hot path: decoding is two table look-ups a byte. */

/** Bits of each symbol's code, one letter a symbol (`a` is 0), from appendix B. The code is canonical: lengths say all. */
const LENGTHS =
  'nx2222222y4224222222224222222222gkkmngilkkiligggfffggggggghipgmk' +
  'nghhhhhhhhhhhhhhhhhhhhhhihintnogpfgfgfgggfhhgggfghgffghhhhhplon2' +
  'uwuuwwwxwxxxxxyxyywxyxxxxvwxwxxywvuwwxxvxwwyvwxxvvwvxwxxuwwwxwwx' +
  '00utwxwz000110yztv01101yvv002111uyuvwvvxwwzzyy0x01001111121111104';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz01234';
const SYMBOLS = 257;
/** The end-of-string symbol: only its first bits may occur, as padding. */
const END = 256;

interface Code {
  readonly bits: number;
  readonly length: number;
}

/** By symbol: the bytes, then the end of string. */
export const CODES: readonly Code[] = makeCodes();

function makeCodes(): Code[] {
  const lengths = Array.from(LENGTHS, (letter) => LETTERS.indexOf(letter));
  const order = Array.from({ length: SYMBOLS }, (_, symbol) => symbol);
  order.sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const codes: Code[] = new Array(SYMBOLS);
  let bits = 0;
  let length = 0;
  for (const symbol of order) {
    const longer = lengths[symbol]! - length;
    bits *= 2 ** longer;
    length += longer;
    codes[symbol] = { bits, length };
    bits++;
  }
  return codes;
}

/**
 * What four bits do to a state: the next state in bits 0-7, the symbol in bits 8-15, and flags. A state is a node
 * of the code's tree that is no leaf; there are 256.
 */
const EMITS = 1 << 16;
const FAILS = 1 << 17;
const STEPS = new Int32Array(256 * 16);
/** 1 for states in which a string may end: the bits since the last symbol are up to seven ones (RFC 7541 5.2). */
const MAY_END = new Uint8Array(256);

buildSteps();

function buildSteps(): void {
  /** Children of node n at 2n and 2n+1: a node (>= 0), a symbol as -1 - symbol. */
  const children = new Int32Array(256 * 2).fill(-1000);
  let nodes = 1;
  CODES.forEach(({ bits, length }, symbol) => {
    let node = 0;
    for (let k = length - 1; k > 0; k--) {
      const at = node * 2 + (Math.floor(bits / 2 ** k) & 1);
      if (children[at] === -1000) children[at] = nodes++;
      node = children[at]!;
    }
    children[node * 2 + (bits & 1)] = -1 - symbol;
  });
  for (let state = 0; state < 256; state++) {
    for (let nibble = 0; nibble < 16; nibble++) STEPS[state * 16 + nibble] = step(children, state, nibble);
  }
  let node = 0;
  for (let ones = 0; ones < 8; ones++) {
    MAY_END[node] = 1;
    node = children[node * 2 + 1]!;
  }
}

function step(children: Int32Array, state: number, nibble: number): number {
  let node = state;
  let out = 0;
  for (let k = 3; k >= 0; k--) {
    const next = children[node * 2 + ((nibble >> k) & 1)]!;
    if (next >= 0) node = next;
    else if (next === -1 - END) return FAILS;
    else {
      out = EMITS | ((-1 - next) << 8);
      node = 0;
    }
  }
  return out | node;
}

/**
 * Decodes `bytes[start, end)` into `out` from `at` on, which must have room for 8/5 as many bytes. Returns the
 * position behind the last byte written, or -1 for what is no encoding: a wrong or too long padding, or the
 * end-of-string symbol.
 */
export function huffmanDecode(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  let state = 0;
  let o = at;
  for (let i = start; i < end; i++) {
    const c = bytes[i]!;
    const high = STEPS[(state << 4) | (c >> 4)]!;
    if (high & EMITS) out[o++] = (high >> 8) & 255;
    const low = STEPS[((high & 255) << 4) | (c & 15)]!;
    if (low & EMITS) out[o++] = (low >> 8) & 255;
    if ((high | low) & FAILS) return -1;
    state = low & 255;
  }
  return MAY_END[state] === 1 ? o : -1;
}

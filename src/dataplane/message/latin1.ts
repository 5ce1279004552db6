declare global {
  interface Buffer {
    /** In Node since its first versions; saves the look-up of an encoding name at each call. */
    latin1Slice(start: number, end: number): string;
  }
}

/** The bytes as text of the same length. Head text and small bodies travel in this form. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return bytes.latin1Slice(start, end);
}

/** Request ids: 32 lower-case hexadecimal digits, as ingress-nginx makes them; drawn in batches. Hot path. */
import { randomBytes } from 'node:crypto';

const BATCH_BYTES = 8192;
let digits = '';
let next = 0;

export function requestId(): string {
  if (next >= digits.length) {
    digits = randomBytes(BATCH_BYTES).toString('hex');
    next = 0;
  }
  next += 32;
  return digits.slice(next - 32, next);
}

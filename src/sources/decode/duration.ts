import type { Field } from './field.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const DURATION = /^(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;

/** A `metav1.Duration` (how Go writes them: `90s`, `1m30s`) in milliseconds; null when absent. */
export function decodeDuration(field: Field): number | null {
  const text = field.textOr('');
  if (text === '') return null;
  if (text.length > 64 || !DURATION.test(text)) {
    field.mustBe('a time span like "90s" or "1m30s"');
    return null;
  }
  let ms = 0;
  for (const [, digits = '', unit = ''] of text.matchAll(PART)) ms += Number(digits) * (UNIT_MS[unit] ?? 0);
  return ms;
}

/** Which patterns of auth-tls-match-cn are used: a data plane runs them on subjects that strangers wrote. */
import { MAX_SUBJECT_LENGTH } from '../../model/certificate.ts';

const MAX_LENGTH = 256;
const BACK_REFERENCE_OR_LOOK_AROUND = /\\[1-9k]|\(\?<?[=!]/;
/** A group that is repeated and holds a repetition or a choice takes exponential time for some texts. */
const NESTED = /[*+?}|][^()]*\)[*+{]|\)\)[*+{]/;

/** About 0.1 s, for the subject that takes longest. */
const MAX_STEPS = 2e8;

export const EXPECTED_PATTERN = `expected CN= and a regular expression, in all at most ${MAX_LENGTH} characters, without back references, with no repetition or choice inside a repeated group and with at most two repetitions`;

export function isUsablePattern(pattern: string): boolean {
  if (!pattern.startsWith('CN=') || pattern.length > MAX_LENGTH) return false;
  if (BACK_REFERENCE_OR_LOOK_AROUND.test(pattern) || NESTED.test(pattern)) return false;
  try {
    new RegExp(pattern);
    return steps(pattern) <= MAX_STEPS;
  } catch {
    return false;
  }
}

/**
 * How many ways there are at most to try a pattern without nested repetitions: from each `CN=` of the subject, each way
 * through its choices, with each length of its repetitions.
 */
function steps(pattern: string): number {
  const plain = pattern
    .replace(/\\./g, 'x')
    .replace(/\[[^\]]*\]/g, 'x')
    .replace(/\(\?(?::|<\w+>)/g, '(')
    .replace(/([*+?}])\?/g, '$1');
  const repetitions = plain.match(/[*+?{]/g)?.length ?? 0;
  return (MAX_SUBJECT_LENGTH / 3) * waysThrough(plain) * MAX_SUBJECT_LENGTH ** repetitions;
}

/** The product over all groups of how many alternatives each has. */
function waysThrough(pattern: string): number {
  let ways = 1;
  const open = [1];
  for (const character of pattern) {
    if (character === '(') open.push(1);
    else if (character === '|')
      open[open.length - 1]!++; // never empty: what does not compile is refused before
    else if (character === ')') ways *= open.pop() ?? 1;
  }
  return ways * (open[0] ?? 1);
}

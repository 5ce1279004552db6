/** Which patterns of auth-tls-match-cn are used: a data plane runs them on subjects that strangers wrote. */

const MAX_LENGTH = 256;
const BACK_REFERENCE_OR_LOOK_AROUND = /\\[1-9k]|\(\?<?[=!]/;
/** A group that is repeated and holds a repetition or a choice takes exponential time for some texts. */
const NESTED = /[*+?}|][^()]*\)[*+{]|\)\)[*+{]/;

export const EXPECTED_PATTERN = `expected CN= and a regular expression, in all at most ${MAX_LENGTH} characters, without back references and with no repetition or choice inside a repeated group`;

export function isUsablePattern(pattern: string): boolean {
  if (!pattern.startsWith('CN=') || pattern.length > MAX_LENGTH) return false;
  if (BACK_REFERENCE_OR_LOOK_AROUND.test(pattern) || NESTED.test(pattern)) return false;
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}

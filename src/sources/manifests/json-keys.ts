/** Keys that are there twice in one object, which JSON.parse passes over: the last wins. */

/** What matters between the strings, which end at the next quote that no backslash escapes. */
const MARK = /["{}[\],]/g;
const STRING_END = /["\\]/g;

export interface DuplicateKey {
  readonly key: string;
  /** Of its second place in the text. */
  readonly offset: number;
}

/** The first in a text that JSON.parse takes (RFC 8259 section 4: names should be unique); null when there is none. */
export function duplicateJsonKey(text: string): DuplicateKey | null {
  /** The keys of each object that is open; null for a list. */
  const open: (Set<string> | null)[] = [];
  let keyFollows = false;
  MARK.lastIndex = 0;
  for (let mark = MARK.exec(text); mark !== null; mark = MARK.exec(text)) {
    const offset = mark.index;
    switch (mark[0]) {
      case '"': {
        const end = stringEnd(text, offset + 1);
        MARK.lastIndex = end;
        if (!keyFollows) break;
        keyFollows = false;
        const key = readString(text.slice(offset, end));
        const keys = open.at(-1)!; // a key follows in an object only
        if (keys.has(key)) return { key, offset };
        keys.add(key);
        break;
      }
      case '{':
        open.push(new Set());
        keyFollows = true;
        break;
      case '[':
        open.push(null);
        keyFollows = false;
        break;
      case ',':
        keyFollows = open.at(-1) !== null;
        break;
      default:
        open.pop();
        keyFollows = false;
    }
  }
  return null;
}

/** Where the string ends whose first character is at `at`, behind its quote. */
function stringEnd(text: string, at: number): number {
  STRING_END.lastIndex = at;
  for (let found = STRING_END.exec(text); found !== null; found = STRING_END.exec(text)) {
    if (found[0] === '"') return STRING_END.lastIndex;
    STRING_END.lastIndex++;
  }
  return text.length;
}

function readString(quoted: string): string {
  return quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}

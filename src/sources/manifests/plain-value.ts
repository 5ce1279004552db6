/** The values of plain YAML that fit on a line: scalars, and flow collections of them. See plain-yaml.ts. */

/** Thrown by {@link giveUp}; the same object each time, for it carries nothing. */
export const NOT_PLAIN = new Error('not plain YAML');

export function giveUp(): never {
  throw NOT_PLAIN;
}

/** Of blocks, and of flow collections in each other. */
export const MAX_DEPTH = 64;
/** What may follow a value on its line. */
export const REST = '(?: +(?:#.*)?)?$';
const DOUBLE_QUOTED = new RegExp(`^"([^"\\\\]*)"${REST}`);
const SINGLE_QUOTED = new RegExp(`^'((?:[^']|'')*)'${REST}`);
const FLOW_TOKEN =
  / *(?:([[\]{},])|"([^"\\]*)"|'((?:[^']|'')*)'|((?:[\w./~+]|-(?=[\w.]))(?:[\w./~+ -]*[\w./~+-])?)) *(:(?= ))?/y;

/** A scalar or a flow collection that ends on its line, perhaps followed by a comment. `text` is not empty. */
export function readValue(text: string): unknown {
  const first = text[0]!; // callers pass text that is not empty
  if (first === '"') return (DOUBLE_QUOTED.exec(text) ?? giveUp())[1];
  if (first === "'") return (SINGLE_QUOTED.exec(text) ?? giveUp())[1]!.replaceAll("''", "'");
  if (first === '[' || first === '{') return flow(text);
  if (',]}#&*!|>%@`'.includes(first) || /^[-?:](?: |$)/.test(text)) giveUp();
  const comment = text.indexOf(' #');
  const plain = (comment === -1 ? text : text.slice(0, comment)).trimEnd();
  if (/:(?: |$)/.test(plain)) giveUp();
  return plainScalar(plain);
}

const INTEGER = /^(?:0|-?[1-9]\d{0,14})$/;
/** Everything else that the core schema takes for a number. */
const NUMBER_LIKE =
  /^(?:[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|0o[0-7]+|0x[\da-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** YAML 1.2 core schema, section 10.3.2. */
export function plainScalar(text: string): unknown {
  switch (text) {
    case 'true':
    case 'True':
    case 'TRUE':
      return true;
    case 'false':
    case 'False':
    case 'FALSE':
      return false;
    case '~':
    case 'null':
    case 'Null':
    case 'NULL':
      return null;
    default:
      if (!/^[-+.\d]/.test(text)) return text;
      if (INTEGER.test(text)) return Number(text);
      return NUMBER_LIKE.test(text) ? giveUp() : text;
  }
}

/** A key whose treatment is not a plain matter: `plain` when it stands without quotes. */
export function isSpecialKey(key: string, plain: boolean): boolean {
  return (
    key === '__proto__' || key === '<<' || key.length > 512 || (plain && typeof plainScalar(key) !== 'string')
  );
}

/** `[a, b]`, `{a: b}` on one line, nested at will. */
function flow(text: string): unknown {
  return flowValue(flowTokens(text), { at: 0 }, 0);
}

type FlowToken =
  | { readonly kind: 'mark'; readonly mark: string }
  | { readonly kind: 'scalar'; readonly value: unknown; readonly key: boolean };

function flowTokens(text: string): FlowToken[] {
  const tokens: FlowToken[] = [];
  let depth = 0;
  FLOW_TOKEN.lastIndex = 0;
  do {
    const match = FLOW_TOKEN.exec(text) ?? giveUp();
    const [, mark, double, single, plain, colon] = match;
    if (mark !== undefined) {
      if (colon !== undefined) giveUp();
      if (mark === '[' || mark === '{') depth++;
      if (mark === ']' || mark === '}') depth--;
      tokens.push({ kind: 'mark', mark });
    } else {
      const value = double ?? single?.replaceAll("''", "'") ?? plainScalar(plain ?? '');
      tokens.push({ kind: 'scalar', value, key: colon !== undefined });
    }
  } while (depth > 0);
  // The end of the last token may have swallowed the space before a comment.
  if (!/^(?: *#.*)?$/.test(text.slice(FLOW_TOKEN.lastIndex))) giveUp();
  if (text[FLOW_TOKEN.lastIndex] === '#' && text[FLOW_TOKEN.lastIndex - 1] !== ' ') giveUp();
  return tokens;
}

function flowValue(tokens: readonly FlowToken[], cursor: { at: number }, depth: number): unknown {
  const token = tokens[cursor.at++];
  if (token === undefined || depth > MAX_DEPTH) giveUp();
  if (token.kind === 'scalar') return token.key ? giveUp() : token.value;
  if (token.mark === '[') return flowList(tokens, cursor, depth);
  return token.mark === '{' ? flowMap(tokens, cursor, depth) : giveUp();
}

function flowList(tokens: readonly FlowToken[], cursor: { at: number }, depth: number): unknown[] {
  const list: unknown[] = [];
  while (!isMark(tokens[cursor.at], ']')) {
    list.push(flowValue(tokens, cursor, depth + 1));
    if (isMark(tokens[cursor.at], ',')) cursor.at++;
    else if (!isMark(tokens[cursor.at], ']')) giveUp();
  }
  cursor.at++;
  return list;
}

function flowMap(
  tokens: readonly FlowToken[],
  cursor: { at: number },
  depth: number,
): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  while (!isMark(tokens[cursor.at], '}')) {
    const key = tokens[cursor.at++];
    if (key?.kind !== 'scalar' || !key.key || typeof key.value !== 'string') giveUp();
    if (Object.hasOwn(map, key.value) || isSpecialKey(key.value, false)) giveUp();
    map[key.value] = flowValue(tokens, cursor, depth + 1);
    if (isMark(tokens[cursor.at], ',')) cursor.at++;
    else if (!isMark(tokens[cursor.at], '}')) giveUp();
  }
  cursor.at++;
  return map;
}

function isMark(token: FlowToken | undefined, mark: string): boolean {
  return token?.kind === 'mark' && token.mark === mark;
}

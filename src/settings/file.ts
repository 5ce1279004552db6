/** The settings file: a YAML mapping whose nested keys are joined with dots (`limits: {requests: 5}`). */
import { parseDocument } from 'yaml';
import { closest } from './closest.ts';

export interface FileValues {
  readonly name: string;
  /** By dotted key, as YAML gave them. */
  readonly values: ReadonlyMap<string, unknown>;
}

/**
 * Reads the text of the settings file `name`. Errors (sentences that begin with the file's name) are text that
 * is not YAML, not a mapping, or has keys that are not in `known`.
 */
export function readSettingsFile(
  name: string,
  text: string,
  known: ReadonlySet<string>,
): { values: FileValues; errors: readonly string[] } {
  const values = new Map<string, unknown>();
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    const errors = document.errors.map((error) => `${name}: not valid YAML: ${firstLine(error.message)}.`);
    return { values: { name, values }, errors };
  }
  const root: unknown = document.toJS({ maxAliasCount: 100 });
  const errors: string[] = [];
  if (root !== null && root !== undefined) collect(root, '', known, values, errors);
  return { values: { name, values }, errors: errors.map((error) => `${name}: ${error}`) };
}

function collect(
  node: unknown,
  prefix: string,
  known: ReadonlySet<string>,
  values: Map<string, unknown>,
  errors: string[],
): void {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) {
    errors.push(
      `${prefix || 'the file'} is not a mapping: expected keys and values, like "http: 127.0.0.1:8080".`,
    );
    return;
  }
  for (const [key, child] of Object.entries(node)) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (known.has(path)) values.set(path, child);
    else if ([...known].some((candidate) => candidate.startsWith(`${path}.`)))
      collect(child, path, known, values, errors);
    else errors.push(`${path} is not a setting${suggestion(path, known)}`);
  }
}

function suggestion(path: string, known: ReadonlySet<string>): string {
  const nearest = closest(path, known);
  return nearest === null ? '.' : `: did you mean ${nearest}?`;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!.replace(/[:.]$/, '');
}

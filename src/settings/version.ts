import { readFileSync } from 'node:fs';

let text: string | null = null;

/** The version in package.json. */
export function version(): string {
  text ??= (
    JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  ).version;
  return text;
}

import { readFile } from 'node:fs/promises';

const texts = new Map<string, string>();

/** The text of a file of the dashboard; `name` is never a client's. */
export async function dashboardFile(name: string): Promise<string> {
  let text = texts.get(name);
  if (text === undefined) {
    text = await readFile(new URL(`./dashboard/${name}`, import.meta.url), 'utf8');
    texts.set(name, text);
  }
  return text;
}

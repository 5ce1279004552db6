/** Where a command prints, and how it looks there. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export type Style = 'bold' | 'red' | 'yellow' | 'green' | 'dim';

const CODES: Readonly<Record<Style, number>> = { bold: 1, red: 31, yellow: 33, green: 32, dim: 2 };

export type Paint = (style: Style, text: string) => string;

/** Colours for people at a terminal who did not refuse them (no-color.org); plain text for everything else. */
export function painter(
  terminal: Terminal,
  environment: Readonly<Record<string, string | undefined>>,
): Paint {
  const { NO_COLOR: refused } = environment;
  if (terminal.isTTY !== true || (refused !== undefined && refused !== '')) return (_, text) => text;
  return (style, text) => `\u001b[${CODES[style]}m${text}\u001b[0m`;
}

/**
 * Text that stands on one line and cannot steer the terminal: what is printed comes from files that somebody
 * else may have written.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`;
  });
}

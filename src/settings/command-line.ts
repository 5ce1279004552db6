/** The options list on the command line: what commander is told, and what it found. */
import { type Command, Option as Flag } from 'commander';
import { ALL_OPTIONS, type Option, type OptionGroup } from './options.ts';

/** Adds `--config`, the flags of `groups` and those of `single` options to a command. */
export function addSettingsFlags(
  command: Command,
  groups: ReadonlySet<OptionGroup>,
  single: readonly Option<unknown>[] = [],
): void {
  command.addOption(new Flag('--config <FILE>', 'settings file (YAML); flags and environment win over it'));
  for (const option of ALL_OPTIONS) {
    if (!groups.has(option.group) && !single.includes(option)) continue;
    command.addOption(flagOf(option).helpGroup(`${option.group}:`));
    // The opposite of a flag that stands alone, to win over the environment and the file.
    if (option.kind.placeholder === null) command.addOption(new Flag(`--no-${option.flag}`).hideHelp());
  }
}

function flagOf(option: Option<unknown>): Flag {
  const { placeholder } = option.kind;
  const spelling = placeholder === null ? `--${option.flag}` : `--${option.flag} <${placeholder}>`;
  const shownDefault =
    option.default === null || option.default === '' || placeholder === null
      ? ''
      : ` (default: ${option.default})`;
  return new Flag(spelling, `${option.doc}${shownDefault}`);
}

/** The settings flags that were on the command line, by flag without dashes. */
export function givenFlags(command: Command): ReadonlyMap<string, string | boolean> {
  const given = new Map<string, string | boolean>();
  for (const flag of command.options) {
    const name = flag.attributeName();
    if (command.getOptionValueSource(name) !== 'cli') continue;
    const key = flag.long!.replace(/^--(no-)?/, '');
    given.set(key, command.getOptionValue(name) as string | boolean);
  }
  return given;
}

/** Wiring only: the command line → a command. */
import { Command, CommanderError } from 'commander';
import { UsageError } from './commands/terminal/usage-error.ts';
import { addSettingsFlags, givenFlags } from './settings/command-line.ts';
import { OPTION_GROUPS, OPTIONS, type OptionGroup } from './settings/options.ts';
import {
  type CommonSettings,
  type Loaded,
  loadCommonSettings,
  loadSettings,
  loadSpeakerSettings,
  loadWebhookSettings,
} from './settings/settings.ts';
import { version } from './settings/version.ts';

/** Exit codes: 0 success, 1 the command found or met an error, 2 it was called wrongly. */
const USAGE_ERROR = 2;

const RUN_GROUPS: ReadonlySet<OptionGroup> = new Set(OPTION_GROUPS.filter((group) => group !== 'Webhook'));
const WEBHOOK_GROUPS: ReadonlySet<OptionGroup> = new Set(['Source', 'Webhook', 'Translation', 'Observing']);
const SPEAKER_GROUPS: ReadonlySet<OptionGroup> = new Set(['Source', 'Addresses', 'Speaker', 'Observing']);
const ADMIN_OPTIONS = [OPTIONS.admin, OPTIONS.adminName];
const TRANSLATION_GROUPS: ReadonlySet<OptionGroup> = new Set(['Translation']);

function program(): Command {
  const root = new Command('tidegate');
  root
    .description('Ingress controller and load balancer for bare-metal Kubernetes.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .configureHelp({ sortSubcommands: false })
    .showSuggestionAfterError()
    // What stands behind a command belongs to it, also where the command before it has the same flag.
    .enablePositionalOptions()
    .addHelpText('after', '\nEvery flag has an environment variable: --access-log is TIDEGATE_ACCESS_LOG.\n')
    .exitOverride();

  addRun(root);
  addWebhook(root);
  addSpeaker(root);
  addCheck(root);
  addExplain(root);
  return root;
}

function addRun(root: Command): void {
  const run = root
    .command('run')
    .description('serve: read objects, route requests')
    .allowExcessArguments(false);
  addSettingsFlags(run, RUN_GROUPS);
  run.action(async () => {
    const settings = settingsOrExit(loadSettings({ flags: givenFlags(run), environment: process.env }));
    const { run: start } = await import('./commands/run.ts');
    await start(settings);
  });
}

function addWebhook(root: Command): void {
  const webhook = root
    .command('webhook')
    .description('answer the API server whether an Ingress shall be let in (admission webhook)')
    .allowExcessArguments(false);
  addSettingsFlags(webhook, WEBHOOK_GROUPS);
  webhook.action(async () => {
    const settings = settingsOrExit(
      loadWebhookSettings({ flags: givenFlags(webhook), environment: process.env }),
    );
    const { webhook: start } = await import('./commands/webhook.ts');
    await start(settings);
  });
}

function addSpeaker(root: Command): void {
  const speaker = root
    .command('speaker')
    .description('announce the addresses of Services from this node, to neighbours and routers')
    .enablePositionalOptions()
    .allowExcessArguments(false);
  addSettingsFlags(speaker, SPEAKER_GROUPS, ADMIN_OPTIONS);
  speaker.action(async () => {
    const settings = settingsOrExit(
      loadSpeakerSettings({ flags: givenFlags(speaker), environment: process.env }),
    );
    const { speaker: start } = await import('./commands/speaker.ts');
    await start(settings);
  });
  addSpeakerStatus(speaker);
}

function addSpeakerStatus(speaker: Command): void {
  const status = speaker
    .command('status')
    .description('print what the speaker of this host announces; exit 1 while a BGP session is down')
    .option('--output <text|json>', 'how it is printed', 'text');
  addSettingsFlags(status, new Set(), ADMIN_OPTIONS);
  status.action(async (options: { output: string }) => {
    const { admin } = commonSettingsOrExit(status);
    if (admin === null) throw new UsageError(['--admin: off: expected the admin listener of the speaker.']);
    const { speakerStatus } = await import('./commands/speaker-status.ts');
    const output = outputOrExit(options.output);
    process.exitCode = await speakerStatus({ admin, output, terminal: process.stdout });
  });
}

function addCheck(root: Command): void {
  const check = root
    .command('check')
    .description('validate manifests: print every problem, exit 1 if any is an error');
  check
    .argument('<path...>', 'files or folders')
    .option('--output <text|json>', 'how problems are printed', 'text');
  addSettingsFlags(check, TRANSLATION_GROUPS);
  check.action(async (paths: string[], options: { output: string }) => {
    const settings = commonSettingsOrExit(check);
    const { check: start } = await import('./commands/check.ts');
    process.exitCode = await start({
      settings,
      paths,
      output: outputOrExit(options.output),
      terminal: process.stdout,
    });
  });
}

function addExplain(root: Command): void {
  const explain = root
    .command('explain')
    .description('tell which route would serve a URL, and why; exit 1 if it would not be forwarded');
  explain
    .argument('<url>', 'like http://shop.example.com/cart; the scheme may be left out')
    .requiredOption('--manifests <DIR>', 'folder of manifests')
    .option('--method <METHOD>', 'request method', 'GET')
    .option('--header <FIELD>', "request field like 'Cookie: a=b'; may be given several times", collect, [])
    .option('--output <text|json>', 'how the answer is printed', 'text');
  addSettingsFlags(explain, TRANSLATION_GROUPS);
  explain.action(
    async (url: string, options: { manifests: string; method: string; header: string[]; output: string }) => {
      const settings = commonSettingsOrExit(explain);
      const { explain: start } = await import('./commands/explain.ts');
      const { manifests, method, header: headers } = options;
      const output = outputOrExit(options.output);
      process.exitCode = await start({
        settings,
        url,
        manifests,
        method,
        headers,
        output,
        terminal: process.stdout,
      });
    },
  );
}

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

/** For commands that end by themselves; what is ignored is told beside their output, for they have no log. */
function commonSettingsOrExit(command: Command): CommonSettings {
  const input = { flags: givenFlags(command), environment: process.env };
  const settings = settingsOrExit(loadCommonSettings(input));
  for (const warning of settings.warnings) process.stderr.write(`tidegate: ${warning}\n`);
  return settings;
}

function settingsOrExit<T>(loaded: Loaded<T>): T {
  if (loaded.ok) return loaded.settings;
  throw new UsageError(loaded.errors);
}

function outputOrExit(output: string): 'text' | 'json' {
  if (output === 'text' || output === 'json') return output;
  throw new UsageError([`--output: "${output}" is not valid: expected text or json.`]);
}

try {
  await program().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : USAGE_ERROR;
  } else if (error instanceof UsageError) {
    for (const line of error.errors) process.stderr.write(`tidegate: ${line}\n`);
    process.exitCode = USAGE_ERROR;
  } else {
    throw error;
  }
}

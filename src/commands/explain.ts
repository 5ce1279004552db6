/** `tidegate explain URL`: which route would serve a request, and why, as a story for people or as JSON. */
import type { ListenerConfig } from '../dataplane/config.ts';
import { explainedRequest, explain as explainRequest } from '../dataplane/route/explain.ts';
import type { Considered, ConsideredPath, Explanation } from '../dataplane/route/explanation.ts';
import { hostMatches } from '../dataplane/route/linear.ts';
import { formatSocketAddress } from '../model/ip-text.ts';
import { hostname } from '../model/keys.ts';
import { describeObject, formatProblem } from '../model/problem.ts';
import { describeService, type Route, type Upstream } from '../model/routing-table.ts';
import type { Ingress } from '../model/snapshot.ts';
import type { CommonSettings } from '../settings/settings.ts';
import { formatDuration, formatSize } from '../settings/values.ts';
import { createTranslator } from '../translate/translate.ts';
import { loadManifests } from './terminal/load-manifests.ts';
import { type Paint, painter, printable, type Terminal } from './terminal/terminal.ts';
import { UsageError } from './terminal/usage-error.ts';
import { translateOptions } from './wiring/translate-options.ts';

export interface ExplainRequest {
  readonly settings: CommonSettings;
  readonly url: string;
  /** Folder (or file) of manifests. */
  readonly manifests: string;
  readonly method: string;
  /** `Name: value` each. */
  readonly headers: readonly string[];
  readonly output: 'text' | 'json';
  readonly terminal: Terminal;
}

/** Prints the explanation; gives the exit code: 0 when the request would be forwarded or sent to https, else 1. */
export async function explain(request: ExplainRequest): Promise<number> {
  const { settings, url, output, terminal } = request;
  const fields = request.headers.map(parseField);
  const host = fields.find(({ name }) => name === 'host')?.value ?? null;
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(url);
  const asked = /\s/.test(url) ? null : explainedRequest(hasScheme ? url : `http://${url}`, host);
  if (asked === null)
    throw new UsageError([`"${url}" is not a URL: expected something like http://shop.example.com/cart.`]);

  const snapshot = await loadManifests([request.manifests]);
  const { table, problems, ingresses, externalNames } = createTranslator(
    translateOptions(settings, null),
  ).translate(snapshot);
  const explanation = explainRequest(table, problems, listenersOf(settings), asked);
  if (output === 'json') {
    terminal.write(`${JSON.stringify(explanation, null, 2)}\n`);
  } else {
    const heading = `${request.method.toUpperCase()} ${asked.scheme}://${asked.authority}${asked.path}`;
    const paint = painter(terminal, process.env);
    const context: Context = {
      unresolved: externalNames,
      foreign: [...snapshot.ingresses.values()].filter(({ meta }) => !ingresses.has(meta.key)),
      problems: problems.length,
    };
    terminal.write(`${paint('bold', printable(heading))}\n\n${story(explanation, context, paint)}`);
  }
  return isServed(explanation) ? 0 : 1;
}

function parseField(text: string): { name: string; value: string } {
  const match = /^([\w!#$%&'*+.^`|~-]+):\s*(.*)$/.exec(text);
  if (!match)
    throw new UsageError([
      `--header: "${text}" is not valid: expected a field like "Host: shop.example.com".`,
    ]);
  return { name: match[1]!.toLowerCase(), value: match[2]!.trim() };
}

function listenersOf({ http, https }: CommonSettings): ListenerConfig[] {
  const listeners: ListenerConfig[] = [];
  if (http !== null) listeners.push({ name: 'http', scheme: 'http', ...http });
  if (https !== null) listeners.push({ name: 'https', scheme: 'https', ...https });
  return listeners;
}

function isServed({ outcome }: Explanation): boolean {
  if (outcome.kind === 'redirected') return true;
  return outcome.kind === 'forwarded' || (outcome.kind === 'passed-through' && isUsable(outcome.upstream));
}

function isUsable(upstream: Upstream | null): boolean {
  return upstream !== null && upstream.endpoints.length > 0;
}

/** One part of the story: a word in the margin and the lines beside it. */
type Part = readonly [margin: string, lines: readonly string[]];

const MARGIN = 10;

/** What is known besides the explanation. */
interface Context {
  /** Names of ExternalName Services. */
  readonly unresolved: ReadonlySet<string>;
  /** Ingresses that are not ours. */
  readonly foreign: readonly Ingress[];
  /** How many there are. */
  readonly problems: number;
}

function story(explanation: Explanation, context: Context, paint: Paint): string {
  const { listener, host, hosts, outcome, problems } = explanation;
  const parts: Part[] = [
    ['Listener', [listenerLine(listener)]],
    ['Host', [host, ...hosts.map((candidate) => hostLine(candidate, paint))]],
    ['Path', pathLines(explanation, paint)],
    ...(outcome.route === null ? [] : routeParts(outcome.route)),
    ...(outcome.kind === 'answered' || outcome.kind === 'redirected' || outcome.upstream === null
      ? []
      : [upstreamPart(outcome.upstream, spoken(outcome.kind, outcome.upstream))]),
    ['Problems', problems.map(formatProblem)],
    ['Result', [resultLine(explanation, paint)]],
    ['Note', notes(explanation, context)],
  ];
  const told = parts.filter(([, lines]) => lines.length > 0).map((part) => partText(part, paint));
  return told.join('');
}

/** What the result leaves out, where that could mislead. */
function notes({ outcome, host, clientCertificate, problems }: Explanation, context: Context): string[] {
  const { unresolved, foreign } = context;
  const notes = foreign
    .filter(({ rules }) => rules.some((rule) => hostMatches(hostname(rule.host), host)))
    .slice(0, MAX_NOTES)
    .map(({ meta }) => `Ingress ${meta.key} has a rule for this host, but no class of ours: it is ignored`);
  if (clientCertificate !== null) notes.push(`clients are asked for a certificate (${clientCertificate})`);
  if (outcome.kind === 'answered' && outcome.route?.action.kind === 'forward' && unresolved.size > 0) {
    const names = [...unresolved].sort().join(', ');
    notes.push(`the names of ExternalName Services are not looked up here: ${names}`);
  }
  const others = context.problems - problems.length;
  if (outcome.kind === 'answered' && others > 0) {
    notes.push(
      `${others === 1 ? 'there is a problem' : `there are ${others} problems`} elsewhere: see tidegate check`,
    );
  }
  return notes.map(printable);
}

/** Of each kind: a class that is not ours may have thousands of Ingresses for any host. */
const MAX_NOTES = 10;

function partText([margin, lines]: Part, paint: Paint): string {
  return lines
    .map((line, index) => {
      const word = (index === 0 ? margin : '').padEnd(MARGIN);
      return `${index === 0 ? paint('bold', word) : word}${line}\n`;
    })
    .join('');
}

function listenerLine({ chosen, why }: Explanation['listener']): string {
  if (chosen === null) return why;
  return `${chosen.name} on ${formatSocketAddress(chosen.address, chosen.port)}: ${why}`;
}

function hostLine({ name, chosen, why }: Considered, paint: Paint): string {
  return candidateLine(chosen, name === '' ? '(any host)' : name, why, paint);
}

function pathLines({ path, paths }: Explanation, paint: Paint): string[] {
  if (path === null) return ['refused'];
  const same = path.forward === path.match;
  const first = same ? path.forward : `${path.forward}, looked up as ${path.match}`;
  return [printable(first), ...paths.map((candidate) => pathLine(candidate, paint))];
}

function pathLine({ name, kind, chosen, why, origin }: ConsideredPath, paint: Paint): string {
  const what = kind === 'fallback' ? 'default backend' : `${kind} ${name}`;
  return candidateLine(chosen, `${what} (${describeObject(origin)})`, why, paint);
}

function candidateLine(chosen: boolean, name: string, why: string, paint: Paint): string {
  const text = printable(`${name}: ${why}`);
  return chosen ? paint('green', `+ ${text}`) : paint('dim', `- ${text}`);
}

function routeParts({ origin, policy }: Route): Part[] {
  const { maxBodyBytes, connectTimeoutMs, responseTimeoutMs, sendTimeoutMs, retries } = policy;
  const body =
    maxBodyBytes === 0 ? 'request body of any size' : `request body of at most ${formatSize(maxBodyBytes)}`;
  const timeouts = `timeouts ${timeout('connect', connectTimeoutMs)}, ${timeout('response', responseTimeoutMs)}, ${timeout('send', sendTimeoutMs)}`;
  return [
    ['Route', [[describeObject(origin), origin.field].filter((text) => text !== '').join(', ')]],
    ['Policy', [body, timeouts, `${retries} retries`]],
  ];
}

function timeout(name: string, ms: number): string {
  return `${name} ${ms === 0 ? 'none' : formatDuration(ms)}`;
}

/** What is spoken to the endpoints. */
function spoken(kind: 'forwarded' | 'passed-through', { protocol, tls }: Upstream): string {
  if (kind === 'passed-through') return 'TLS as it comes';
  if (tls === null) return protocol;
  const check = tls.verify === null ? 'not verified' : `verified as ${tls.verify.name}`;
  return `${protocol} over TLS (${check})`;
}

function upstreamPart({ service, balance, endpoints }: Upstream, protocol: string): Part {
  const how = balance.kind === 'hash' ? `hash by ${hashSource(balance.by)}` : balance.kind;
  const addresses = endpoints.map(({ address, port, zone }) => {
    const shown = formatSocketAddress(address, port);
    return zone === null ? shown : `${shown} in zone ${zone}`;
  });
  return [
    'Upstream',
    [
      `Service ${describeService(service)}, ${protocol}, ${how}, endpoints:`,
      ...addresses.map((line) => `  ${line}`),
    ],
  ];
}

function hashSource(by: Extract<Upstream['balance'], { kind: 'hash' }>['by']): string {
  return 'name' in by ? `${by.kind} ${by.name}` : by.kind;
}

function resultLine({ outcome }: Explanation, paint: Paint): string {
  if (outcome.kind === 'answered')
    return paint('red', printable(`answered with ${outcome.status}: ${outcome.why}`));
  if (outcome.kind === 'passed-through') return passedLine(outcome, paint);
  if (outcome.kind === 'redirected')
    return paint(
      'green',
      printable(`redirected to ${outcome.location} with 308: the host is to be asked over TLS`),
    );
  const count = outcome.upstream.endpoints.length;
  return paint(
    'green',
    `forwarded to ${count === 1 ? 'the endpoint' : `one of ${count} endpoints`} of ${describeService(outcome.upstream.service)}`,
  );
}

function passedLine(
  { route, upstream }: Extract<Explanation['outcome'], { kind: 'passed-through' }>,
  paint: Paint,
): string {
  const why = `host "${route.host}" has ssl-passthrough`;
  if (upstream === null || upstream.endpoints.length === 0)
    return paint('red', printable(`the connection is reset: ${why}, and its backend has no endpoint`));
  const to = `its TLS is passed through to an endpoint of ${describeService(upstream.service)}`;
  return paint('green', printable(`${why}: ${to}`));
}

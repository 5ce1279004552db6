/**
 * Behaviour by example: `testdata/<what>.in.yaml` holds objects as a user writes them, `<what>.out.yaml` what
 * follows from them. `node --test --test-update-snapshots` writes the latter anew; read the difference.
 *
 * Besides objects an input may hold one document of kind `Case`: `options` that differ from the standard ones,
 * `resolvedNames` as DNS would answer, and `requests`, URLs whose outcome is part of the output.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments, stringify } from 'yaml';
import { snapshotOf } from '../../test/kit/objects.ts';
import { OPTIONS } from '../../test/kit/translate-options.ts';
import { explain, explainedRequest } from '../dataplane/route/explain.ts';
import { formatProblem } from '../model/problem.ts';
import type { Endpoint, HostTable, Route, RoutingTable } from '../model/routing-table.ts';
import type { AnyObject, Ingress, ResolvedName } from '../model/snapshot.ts';
import { UNVERIFIED_TLS, type UpstreamTls } from '../model/upstream-tls.ts';
import { decodeObject } from '../sources/decode/all.ts';
import type { TranslateOptions } from './options.ts';
import { createTranslator } from './translate.ts';
import type { Translation } from './translation.ts';

interface Case {
  readonly kind: 'Case';
  readonly options?: Partial<TranslateOptions>;
  readonly resolvedNames?: readonly ResolvedName[];
  readonly requests?: readonly string[];
}

const TESTDATA = join(import.meta.dirname, 'testdata');

for (const file of readdirSync(TESTDATA).filter((name) => name.endsWith('.in.yaml'))) {
  const name = basename(file, '.in.yaml');
  test(name.replaceAll('-', ' '), (t) => {
    const documents = parseAllDocuments(readFileSync(join(TESTDATA, file), 'utf8')).map((each) =>
      each.toJS(),
    );
    const setUp: Case = documents.find(({ kind }) => kind === 'Case') ?? { kind: 'Case' };
    const objects = documents.filter(({ kind }) => kind !== 'Case').flatMap(decoded);
    const names = new Map(setUp.resolvedNames?.map((each) => [each.name, each]));
    const translator = createTranslator({ ...OPTIONS, ...setUp.options });
    const translation = translator.translate(snapshotOf(objects, { resolvedNames: names }));
    t.assert.fileSnapshot(printed(translation, setUp.requests ?? []), join(TESTDATA, `${name}.out.yaml`), {
      serializers: [(value) => stringify(value, { lineWidth: 0 })],
    });
  });
}

function decoded(document: unknown): (AnyObject & Ingress)[] {
  const result = decodeObject(document, null);
  if (result.kind !== 'decoded') throw new Error(`a test object does not decode: ${JSON.stringify(result)}`);
  return result.records as (AnyObject & Ingress)[];
}

function printed({ table, problems, externalNames }: Translation, requests: readonly string[]): object {
  return {
    hosts: Object.fromEntries(sorted(table.hosts).map(([host, each]) => [host, printedHost(each)])),
    upstreams: Object.fromEntries(
      sorted(table.upstreams).map(([key, { protocol, tls, balance, endpoints }]) => [
        key,
        {
          ...(protocol === 'http1' ? {} : { protocol }),
          ...(tls === null ? {} : { tls: printedTls(tls) }),
          balance: Object.values(balance).map(printedValue).join(' '),
          endpoints: endpoints.map(printedEndpoint),
        },
      ]),
    ),
    ...printedPassthrough(table),
    ...printedClientAuth(table),
    ...(externalNames.size === 0 ? {} : { externalNames: [...externalNames].sort() }),
    problems: problems.map(formatProblem),
    ...(requests.length === 0
      ? {}
      : { requests: Object.fromEntries(requests.map((url) => [url, outcome(table, url)])) }),
  };
}

function sorted<K extends string, V>(map: ReadonlyMap<K, V>): [K, V][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function printedHost({ paths, fallback }: HostTable): object {
  const routes = sorted(paths).map(([key, route]) => [key, printedRoute(route)]);
  return Object.fromEntries(fallback === null ? routes : [...routes, ['fallback', printedRoute(fallback)]]);
}

function printedPassthrough({ tls }: RoutingTable): object {
  const passed = sorted(tls.tlsHosts).flatMap(([host, { passthrough }]) =>
    passthrough === null ? [] : [[host, printedRoute(passthrough)]],
  );
  return passed.length === 0 ? {} : { passthrough: Object.fromEntries(passed) };
}

function printedClientAuth({ tls }: RoutingTable): object {
  const asking = sorted(tls.tlsHosts).flatMap(([host, { clientAuth }]) =>
    clientAuth === null ? [] : [[host, clientAuth.kind === 'ask' ? clientAuth.mode : clientAuth.kind]],
  );
  return asking.length === 0 ? {} : { clientCertificates: Object.fromEntries(asking) };
}

/** Where it goes, what its policy changes, where it comes from. */
function printedRoute({ action, policy, origin }: Route): string {
  const standard: Record<string, unknown> = { ...OPTIONS.defaultPolicy };
  const changed = Object.entries(policy).filter(([name, value]) => standard[name] !== value);
  const target =
    action.kind === 'forward'
      ? [action.upstream, action.upstreamOverTls ?? []].flat().join(' or ')
      : `unavailable ${action.service}`;
  const own = changed.map(([name, value]) => ` ${name}=${value}`).join('');
  return `${target}${own} (${origin.namespace}/${origin.name} ${origin.field})`;
}

/** What differs from talking to anybody; ids and secrets are left out. */
function printedTls({ id: _, authorities, identity, verify, ...rest }: UpstreamTls): string {
  const texts = Object.entries(rest)
    .filter(([name, value]) => UNVERIFIED_TLS[name as keyof typeof rest] !== value)
    .map(([name, value]) => `${name}=${value}`);
  if (verify !== null) texts.unshift(`verify ${verify.name} to depth ${verify.depth}`);
  if (authorities !== null) texts.push('own authorities');
  if (identity !== null) texts.push('with a certificate');
  return texts.join(', ') || 'unverified';
}

function printedEndpoint({ address, port, zone }: Endpoint): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}${zone === null ? '' : ` in ${zone}`}`;
}

function printedValue(value: unknown): string {
  return typeof value === 'object' && value !== null ? Object.values(value).join(' ') : String(value);
}

function outcome(table: RoutingTable, url: string): string {
  const request = explainedRequest(url, null);
  if (request === null) throw new Error(`a test request is no URL: ${url}`);
  const { outcome: found } = explain(table, [], [], request);
  if (found.kind === 'answered') return `${found.status}`;
  if (found.kind === 'redirected') return `308 ${found.location}`;
  return found.kind === 'forwarded'
    ? found.upstream.key
    : `passed through to ${found.upstream?.key ?? 'nobody'}`;
}

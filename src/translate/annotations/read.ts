import type { Problem } from '../../model/problem.ts';
import { problemOf } from '../../model/problem-of.ts';
import type { BalancePolicy, RoutePolicy } from '../../model/routing-table.ts';
import type { Ingress } from '../../model/snapshot.ts';
import type { TranslateOptions } from '../options.ts';
import { type ClientAuthAsked, NOTHING_ASKED } from '../tls/client-auth.ts';
import { type BackendAsked, NO_BACKEND_ASKED } from '../tls/upstream-tls.ts';
import { ALL_ANNOTATIONS, ANNOTATION_PREFIXES } from './all.ts';
import { isHarmless } from './harmless.ts';

/** What the annotations of an Ingress say about all of its routes. */
export interface Annotated {
  readonly policy: RoutePolicy;
  readonly balance: BalancePolicy;
  readonly backend: BackendAsked;
  readonly clientAuth: ClientAuthAsked;
  /** TLS of the hosts is not terminated here. */
  readonly passthrough: boolean;
  readonly problems: readonly Problem[];
}

/** A bad value is reported and leaves the default; it never takes the Ingress down. */
export function readAnnotations(ingress: Ingress, options: TranslateOptions): Annotated {
  let policy = options.defaultPolicy;
  let balance = options.defaultBalance;
  let backend = NO_BACKEND_ASKED;
  let clientAuth = NOTHING_ASKED;
  let passthrough = false;
  const problems: Problem[] = [];
  for (const annotation of ALL_ANNOTATIONS) {
    for (const prefix of ANNOTATION_PREFIXES) {
      const value = ingress.meta.annotations.get(prefix + annotation.name);
      if (value === undefined) continue;
      const parsed = annotation.parse(value.trim());
      if (parsed.kind === 'policy') policy = { ...policy, ...parsed.policy };
      else if (parsed.kind === 'balance') balance = parsed.balance;
      else if (parsed.kind === 'backend') backend = { ...backend, ...parsed.backend };
      else if (parsed.kind === 'client-auth') clientAuth = { ...clientAuth, ...parsed.clientAuth };
      else if (parsed.kind === 'passthrough') passthrough = parsed.passthrough;
      else problems.push(invalidValue(ingress, prefix + annotation.name, value, parsed.expected));
    }
  }
  const unknown = unknownAnnotations(ingress);
  if (unknown.length > 0) problems.push(notSupported(ingress, unknown));
  return { policy, balance, backend, clientAuth, passthrough, problems };
}

const KNOWN: ReadonlySet<string> = new Set(ALL_ANNOTATIONS.map(({ name }) => name));

function unknownAnnotations(ingress: Ingress): string[] {
  const unknown: string[] = [];
  for (const [key, value] of ingress.meta.annotations) {
    const prefix = ANNOTATION_PREFIXES.find((each) => key.startsWith(each));
    if (prefix === undefined) continue;
    const name = key.slice(prefix.length);
    if (!KNOWN.has(name) && !isHarmless(name, value)) unknown.push(key);
  }
  return unknown.sort();
}

function invalidValue(ingress: Ingress, key: string, value: string, expected: string): Problem {
  return problemOf(ingress, {
    severity: 'warning',
    reason: 'InvalidAnnotation',
    field: `metadata.annotations[${key}]`,
    message: `${JSON.stringify(value)} is not a valid value: expected ${expected}; the annotation is ignored`,
  });
}

/** One warning for all of them, so that someone who migrates sees what will be missing. */
function notSupported(ingress: Ingress, keys: readonly string[]): Problem {
  return problemOf(ingress, {
    severity: 'warning',
    reason: 'InvalidAnnotation',
    field: 'metadata.annotations',
    message: `not supported and therefore ignored: ${keys.join(', ')}`,
  });
}

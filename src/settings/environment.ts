/** Settings in environment variables, and variables that look like settings and are none. */
import { closest } from './closest.ts';
import type { Option } from './options.ts';

const PREFIX = 'TIDEGATE_';
/** Names the settings file. */
export const CONFIG_VARIABLE = 'TIDEGATE_CONFIG';

/**
 * What the kubelet sets in every container for each Service of the namespace: of one named tidegate or tidegate-… these
 * begin as settings do. https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const SERVICE_VARIABLE =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
/** The value of `<name>_PORT` among them. */
const SERVICE_LINK = /^(?:tcp|udp|sctp):\/\//i;

export interface EnvironmentValues {
  /** By variable, those that are set. */
  readonly values: ReadonlyMap<string, string>;
  /** Sentences about variables that are ignored. */
  readonly warnings: readonly string[];
}

/** Values of unknown variables are not repeated: nobody knows what they are. */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  options: readonly Option<unknown>[],
): EnvironmentValues {
  const known = new Set([CONFIG_VARIABLE, ...options.map((option) => option.environment)]);
  const values = new Map<string, string>();
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    // An empty variable is how templates say "not set".
    if (value === undefined || value === '' || !name.startsWith(PREFIX)) continue;
    const isLink = name.endsWith('_PORT') && SERVICE_LINK.test(value);
    if (known.has(name)) {
      if (isLink) warnings.push(linkInstead(name, value));
      else values.set(name, value);
    } else if (!isLink && !SERVICE_VARIABLE.test(name)) {
      warnings.push(`${name} is not a setting and is ignored${suggestion(name, known)}`);
    }
  }
  return { values, warnings };
}

function linkInstead(name: string, value: string): string {
  const service = name.slice(0, -'_PORT'.length).toLowerCase().replaceAll('_', '-');
  return `${name}: ${JSON.stringify(value.slice(0, 100))} comes from Kubernetes, which sets this variable for a Service named ${service}, and is ignored: give the setting in the container's env or by its flag, or set enableServiceLinks: false.`;
}

function suggestion(name: string, known: ReadonlySet<string>): string {
  const words = [...known].map((each) => each.slice(PREFIX.length));
  const nearest = closest(name.slice(PREFIX.length), words);
  return nearest === null ? '.' : `: did you mean ${PREFIX}${nearest}?`;
}

/** Flags, environment and settings file → one validated, immutable Settings value. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { AccessLogConfig, Limits, Timeouts, TlsConfig } from '../dataplane/config.ts';
import type { BalancePolicy } from '../model/routing-table.ts';
import type { LogLevel } from '../observe/log.ts';
import { type AddressSettings, addressSettings } from './addresses.ts';
import { type ClusterSettings, clusterSettings, type WebhookSettings, webhookSettings } from './cluster.ts';
import { CONFIG_VARIABLE, type EnvironmentValues, readEnvironment } from './environment.ts';
import { type FileValues, readSettingsFile } from './file.ts';
import { ALL_OPTIONS, LIMIT_OPTIONS, OPTIONS, type Option, TIMEOUT_OPTIONS } from './options.ts';
import { type SpeakerSettings, speakerSettings } from './speaker.ts';
import type { ListenAddress, ObjectReference } from './values.ts';

/** What every command knows. */
export interface CommonSettings {
  /** Sentences for the user about what was given and is ignored. */
  readonly warnings: readonly string[];
  readonly http: ListenAddress | null;
  readonly https: ListenAddress | null;
  readonly admin: ListenAddress | null;
  readonly adminName: string | null;
  readonly workers: number;
  readonly transport: 'auto' | 'net';
  readonly ingressClass: string;
  readonly controller: string;
  readonly watchIngressWithoutClass: boolean;
  /** Whether Ingresses of several namespaces may be served at the same host. */
  readonly hostSharing: 'any-namespace' | 'same-namespace';
  readonly defaultCertificate: ObjectReference | null;
  readonly sslRedirect: boolean;
  readonly balance: BalancePolicy;
  readonly externalNames: { readonly enabled: boolean; readonly allowLoopback: boolean };
  readonly addresses: AddressSettings;
  /** Empty: those of the system. */
  readonly dnsServers: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly sendForwarded: boolean;
  readonly serverName: string;
  readonly upgrades: readonly string[];
  readonly http2Cleartext: boolean;
  readonly accessLog: AccessLogConfig;
  readonly tls: TlsConfig;
  readonly logLevel: LogLevel;
  /** Exists while the program is ready; null for none. With it an admin port in use is waited for. */
  readonly readyFile: string | null;
  /** Milliseconds from readiness going false until the listeners close; the grace after it is `timeouts.drain`. */
  readonly drainDelay: number;
  readonly limits: Limits;
  readonly timeouts: Timeouts;
}

/** What `run` needs on top: where objects come from. */
export interface Settings extends CommonSettings {
  readonly source: SourceSettings;
  readonly cluster: ClusterSettings;
  /** null: nothing is announced from here. */
  readonly speaker: SpeakerSettings | null;
}

/** What `speaker` needs. */
export interface SpeakerCommandSettings extends CommonSettings {
  readonly source: SourceSettings;
  readonly cluster: ClusterSettings;
  readonly speaker: SpeakerSettings;
}

/** What `webhook` needs. */
export interface WebhookCommandSettings extends CommonSettings {
  readonly source: SourceSettings;
  readonly webhook: WebhookSettings;
}

export type SourceSettings =
  | { readonly kind: 'manifests'; readonly directory: string }
  | ({ readonly kind: 'kubernetes' } & KubernetesSettings);

export interface KubernetesSettings {
  /** Null: the pod's service account, or what kubectl would use. */
  readonly kubeconfig: string | null;
  readonly context: string | null;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly watchIdleMs: number;
  readonly cache: { readonly file: string; readonly secrets: boolean } | null;
}

export interface SettingsInput {
  /** What the command line gave, by flag without dashes. */
  readonly flags: ReadonlyMap<string, string | boolean>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** `errors` are sentences for the user, each naming where the value came from, the value and what was expected. */
export type Loaded<T> =
  | { readonly ok: true; readonly settings: T }
  | { readonly ok: false; readonly errors: readonly string[] };

/** Settings for commands that are told on the command line what to read. */
export function loadCommonSettings(input: SettingsInput): Loaded<CommonSettings> {
  const reader = new Reader(input);
  const settings = commonSettings(reader);
  return reader.result(settings);
}

/** Settings for `run`. */
export function loadSettings(input: SettingsInput): Loaded<Settings> {
  const reader = new Reader(input);
  const settings = {
    ...commonSettings(reader),
    source: sourceSettings(reader, input),
    cluster: clusterSettings(reader, input.environment),
    speaker: reader.read(OPTIONS.speaker) ? speakerSettings(reader, input.environment) : null,
  };
  return reader.result(settings);
}

/** Settings for `speaker`. */
export function loadSpeakerSettings(input: SettingsInput): Loaded<SpeakerCommandSettings> {
  const reader = new Reader(input);
  const settings = {
    ...commonSettings(reader),
    source: sourceSettings(reader, input),
    cluster: clusterSettings(reader, input.environment),
    speaker: speakerSettings(reader, input.environment),
  };
  return reader.result(settings);
}

/** Settings for `webhook`. */
export function loadWebhookSettings(input: SettingsInput): Loaded<WebhookCommandSettings> {
  const reader = new Reader(input);
  const settings = {
    ...commonSettings(reader),
    source: sourceSettings(reader, input),
    webhook: webhookSettings(reader, input.environment),
  };
  return reader.result(settings);
}

/** Looks values up in the order flag, environment, file, default, and collects what is wrong with them. */
class Reader {
  readonly errors: string[] = [];
  readonly #input: SettingsInput;
  readonly #environment: EnvironmentValues;
  readonly #file: FileValues;

  constructor(input: SettingsInput) {
    this.#input = input;
    this.#environment = readEnvironment(input.environment, ALL_OPTIONS);
    const path = this.#configPath();
    this.#file = path === null ? { name: '', values: new Map() } : this.#readFile(path);
  }

  /** The value of one option; a stand-in when it is wrong, because then nothing is built from it. */
  read<T>(option: Option<T>): T {
    const found = this.#find(option);
    if (found === null) return null as T;
    const result = option.kind.schema.safeParse(found.raw);
    if (result.success) return result.data;
    const reason =
      result.error.issues.find((issue) => issue.code === 'custom')?.message ?? option.kind.expected;
    this.errors.push(`${found.from}: ${describeValue(found.raw)} is not valid: expected ${reason}.`);
    return option.default === null ? (null as T) : option.kind.schema.parse(option.default);
  }

  /** Where the value of an option comes from, for a message about a combination; null when nobody set it. */
  whereSet(option: Option<unknown>): string | null {
    const found = this.#find(option);
    return found === null || found.from === DEFAULT ? null : found.from;
  }

  get warnings(): readonly string[] {
    return this.#environment.warnings;
  }

  /** `settings` when nothing is wrong. What is ignored may be the reason of an error, so it is told with them. */
  result<T>(settings: T): Loaded<T> {
    if (this.errors.length === 0) return { ok: true, settings };
    return { ok: false, errors: [...this.errors, ...this.warnings] };
  }

  #find(option: Option<unknown>): { from: string; raw: unknown } | null {
    const flag = this.#input.flags.get(option.flag);
    if (flag !== undefined) return { from: `--${option.flag}`, raw: flag };
    const variable = this.#environment.values.get(option.environment);
    if (variable !== undefined) return { from: option.environment, raw: variable };
    const entry = this.#file.values.get(option.key);
    if (entry !== undefined) return { from: `${this.#file.name}: ${option.key}`, raw: entry };
    return option.default === null ? null : { from: DEFAULT, raw: option.default };
  }

  #configPath(): string | null {
    const flag = this.#input.flags.get('config');
    if (typeof flag === 'string') return flag;
    return this.#environment.values.get(CONFIG_VARIABLE) ?? null;
  }

  #readFile(path: string): FileValues {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      this.errors.push(`${path}: the settings file cannot be read: ${(error as Error).message}.`);
      return { name: path, values: new Map() };
    }
    const known = new Set(ALL_OPTIONS.map((option) => option.key));
    const { values, errors } = readSettingsFile(path, text, known);
    this.errors.push(...errors);
    return values;
  }
}

const DEFAULT = 'default';

function describeValue(raw: unknown): string {
  const text = JSON.stringify(raw) ?? String(raw);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function commonSettings(reader: Reader): CommonSettings {
  const transport = reader.read(OPTIONS.transport);
  if (transport === 'uring') {
    reader.errors.push(
      `${reader.whereSet(OPTIONS.transport)}: "uring" is not available in this version: expected auto or net.`,
    );
  }
  return {
    warnings: reader.warnings,
    http: reader.read(OPTIONS.http),
    https: reader.read(OPTIONS.https),
    admin: reader.read(OPTIONS.admin),
    adminName: reader.read(OPTIONS.adminName),
    workers: reader.read(OPTIONS.workers) ?? availableParallelism(),
    transport: transport === 'net' ? 'net' : 'auto',
    ingressClass: reader.read(OPTIONS.ingressClass),
    controller: reader.read(OPTIONS.controller),
    watchIngressWithoutClass: reader.read(OPTIONS.watchIngressWithoutClass),
    hostSharing: reader.read(OPTIONS.hostSharing),
    defaultCertificate: reader.read(OPTIONS.defaultCertificate),
    sslRedirect: reader.read(OPTIONS.sslRedirect),
    balance: { kind: reader.read(OPTIONS.balance) },
    externalNames: {
      enabled: reader.read(OPTIONS.externalNames),
      allowLoopback: reader.read(OPTIONS.externalNamesLoopback),
    },
    addresses: addressSettings(reader),
    dnsServers: reader.read(OPTIONS.dnsServers),
    trustedProxies: reader.read(OPTIONS.trustedProxies),
    sendForwarded: reader.read(OPTIONS.sendForwarded),
    serverName: reader.read(OPTIONS.serverName),
    upgrades: reader.read(OPTIONS.upgrades),
    http2Cleartext: reader.read(OPTIONS.http2Cleartext),
    accessLog: {
      enabled: reader.read(OPTIONS.accessLog) === 'json',
      sample: reader.read(OPTIONS.accessLogSample),
    },
    tls: tlsSettings(reader),
    logLevel: reader.read(OPTIONS.logLevel),
    readyFile: reader.read(OPTIONS.readyFile),
    drainDelay: reader.read(OPTIONS.drainDelay),
    limits: readAll<Limits>(reader, LIMIT_OPTIONS),
    timeouts: readAll<Timeouts>(reader, TIMEOUT_OPTIONS),
  };
}

function tlsSettings(reader: Reader): TlsConfig {
  const subdomains = reader.read(OPTIONS.hstsIncludeSubdomains) ? '; includeSubDomains' : '';
  const preload = reader.read(OPTIONS.hstsPreload) ? '; preload' : '';
  const maxAge = reader.read(OPTIONS.hstsMaxAge);
  return {
    minVersion: reader.read(OPTIONS.tlsMinVersion) === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
    ciphers: reader.read(OPTIONS.tlsCiphers),
    ciphersuites: reader.read(OPTIONS.tlsCiphersuites),
    groups: reader.read(OPTIONS.tlsGroups),
    hsts: reader.read(OPTIONS.hsts) ? `max-age=${maxAge}${subdomains}${preload}` : '',
  };
}

function readAll<R extends Limits | Timeouts>(
  reader: Reader,
  options: ReadonlyMap<keyof R, Option<number>>,
): R {
  const entries = [...options].map(([name, option]) => [name, reader.read(option)] as const);
  return Object.fromEntries(entries) as unknown as R;
}

function sourceSettings(reader: Reader, input: SettingsInput): SourceSettings {
  const directory = reader.read(OPTIONS.manifests);
  const kubeconfig = reader.read(OPTIONS.kubeconfig);
  const { KUBERNETES_SERVICE_HOST: apiServer } = input.environment;
  const source =
    reader.read(OPTIONS.source) ??
    (apiServer !== undefined || kubeconfig !== null ? 'kubernetes' : 'manifests');
  if (source === 'kubernetes') return { kind: source, ...kubernetesSettings(reader, kubeconfig) };
  if (directory === null) {
    reader.errors.push(
      '--manifests: no folder given: expected the folder that holds the manifests, like --manifests ./manifests.',
    );
  }
  return { kind: 'manifests', directory: directory ?? '' };
}

function kubernetesSettings(reader: Reader, kubeconfig: string | null): KubernetesSettings {
  const file = reader.read(OPTIONS.snapshotCache);
  const secrets = reader.read(OPTIONS.cacheSecrets);
  return {
    kubeconfig,
    context: reader.read(OPTIONS.context),
    namespaces: [...new Set(reader.read(OPTIONS.namespaces))],
    // Never is not an answer: a watch that hangs would go unnoticed.
    watchIdleMs: reader.read(OPTIONS.watchIdle) || DEFAULT_WATCH_IDLE_MS,
    cache: file === null ? null : { file, secrets },
  };
}

const DEFAULT_WATCH_IDLE_MS = 120_000;

/** What is written to the cluster, and by whom. */
import { OPTIONS, type Option } from './options.ts';
import type { ListenAddress, ObjectReference } from './values.ts';

export interface ClusterSettings {
  readonly election: ElectionSettings | null;
  readonly publishing: PublishingSettings | null;
  readonly updateStatusOnShutdown: boolean;
  readonly events: boolean;
  readonly pod: PodSettings;
}

/** null: no election, this is the only replica. Milliseconds. */
export interface ElectionSettings {
  /** null: `tidegate` in the own namespace. */
  readonly lease: ObjectReference | null;
  readonly leaseDuration: number;
  readonly renewDeadline: number;
  readonly retryPeriod: number;
}

/** Where the addresses in the status of Ingresses come from. */
export interface PublishingSettings {
  readonly addresses: readonly string[];
  readonly service: ObjectReference | null;
  readonly nodes: 'off' | 'internal' | 'external';
}

export interface WebhookSettings {
  readonly listen: ListenAddress | null;
  /** null: made by us and kept in a Secret. */
  readonly files: { readonly certificate: string; readonly key: string } | null;
  /** null: `tidegate-webhook` in the own namespace. */
  readonly service: ObjectReference | null;
  readonly secret: ObjectReference | null;
  readonly configuration: string;
  readonly pod: PodSettings;
}

/** What the downward API tells a pod of itself; null outside of one. */
export interface PodSettings {
  readonly namespace: string | null;
  readonly name: string | null;
  readonly ip: string | null;
  readonly uid: string | null;
}

/** Where settings are looked up. */
export interface OptionReader {
  readonly errors: string[];
  read<T>(option: Option<T>): T;
  whereSet(option: Option<unknown>): string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Shorter ones leave no time for a request that takes long. */
const MIN_LEASE_MS = 3000;

export function clusterSettings(reader: OptionReader, environment: Environment): ClusterSettings {
  return {
    election: reader.read(OPTIONS.leaderElection) ? electionSettings(reader) : null,
    publishing: publishingSettings(reader),
    updateStatusOnShutdown: reader.read(OPTIONS.updateStatusOnShutdown),
    events: reader.read(OPTIONS.events),
    pod: podSettings(environment),
  };
}

/** The proportions are client-go's: 15 s, 10 s and 2 s. */
function electionSettings(reader: OptionReader): ElectionSettings {
  const leaseDuration = reader.read(OPTIONS.leaseDuration);
  if (leaseDuration < MIN_LEASE_MS) {
    const where = reader.whereSet(OPTIONS.leaseDuration);
    reader.errors.push(`${where}: ${leaseDuration} ms is too short: expected at least 3s.`);
  }
  return {
    lease: reader.read(OPTIONS.lease),
    leaseDuration,
    renewDeadline: (leaseDuration * 2) / 3,
    retryPeriod: (leaseDuration * 2) / 15,
  };
}

function publishingSettings(reader: OptionReader): PublishingSettings | null {
  const addresses = reader.read(OPTIONS.publishStatusAddress);
  const service = reader.read(OPTIONS.publishService);
  const nodes = reader.read(OPTIONS.publishNodeAddresses);
  if (addresses.length > 0 && nodes !== 'off') {
    const where = reader.whereSet(OPTIONS.publishNodeAddresses);
    reader.errors.push(`${where}: cannot be combined with --publish-status-address: expected one of them.`);
  }
  return addresses.length === 0 && service === null && nodes === 'off' ? null : { addresses, service, nodes };
}

export function webhookSettings(reader: OptionReader, environment: Environment): WebhookSettings {
  const certificate = reader.read(OPTIONS.webhookCertificate);
  const key = reader.read(OPTIONS.webhookKey);
  if ((certificate === null) !== (key === null)) {
    reader.errors.push('--webhook-certificate and --webhook-key: expected both or neither.');
  }
  return {
    listen: reader.read(OPTIONS.webhook),
    files: certificate === null || key === null ? null : { certificate, key },
    service: reader.read(OPTIONS.webhookService),
    secret: reader.read(OPTIONS.webhookSecret),
    configuration: reader.read(OPTIONS.webhookConfiguration),
    pod: podSettings(environment),
  };
}

function podSettings(environment: Environment): PodSettings {
  const { POD_NAMESPACE, POD_NAME, POD_IP, POD_UID } = environment;
  return {
    namespace: POD_NAMESPACE || null,
    name: POD_NAME || null,
    ip: POD_IP || null,
    uid: POD_UID || null,
  };
}

/** A speaker with what it writes to the cluster; the same for `run` and `speaker`. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type AddressUser, NodeSpeaker } from '../../announce/node-speaker.ts';
import type { AddressPlan } from '../../ipam/address-planner.ts';
import { exposedServices } from '../../ipam/service-addresses.ts';
import type { KubernetesApi } from '../../kubernetes/api.ts';
import type { ObjectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import type { ExposedService } from '../../model/service-address.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../model/snapshot.ts';
import type { SpeakerReport } from '../../model/speaker-report.ts';
import type { Log } from '../../observe/log.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { SpeakerCommandSettings } from '../../settings/settings.ts';
import { SpeakerReporter } from '../../status/speaker-reporter.ts';
import { addressOptions } from './address-options.ts';

export interface Announcing {
  /** Secrets that are needed to make something of a snapshot. */
  secretsFor(snapshot: Snapshot): ReadonlySet<ObjectKey>;
  /** From here on this is what is to be announced. Gives what is wrong with it, the same list while that is the same. */
  update(snapshot: Snapshot, addresses: AddressPlan): readonly Problem[];
  readonly problems: readonly Problem[];
  report(): SpeakerReport;
  /** Resolves when neighbours and routers know that we are gone. */
  stop(): Promise<void>;
}

type AnnouncingSettings = Pick<SpeakerCommandSettings, 'source' | 'addresses' | 'cluster' | 'speaker'>;

export interface AnnouncingOptions {
  readonly settings: AnnouncingSettings;
  /** null: there is no cluster to write to. */
  readonly api: KubernetesApi | null;
  readonly log: Log;
  readonly metrics: Metrics;
  /** null: what is announced is served by another program. */
  readonly user: AddressUser | null;
  /** {@link Announcing.problems} changed without an update. */
  readonly onProblems: () => void;
}

/** Events name it as their author. */
const CONTROLLER = 'tidegate.io/speaker';
const LEAST_KEY_BYTES = 16;

/** Throws with a message for the user when a setting cannot be used. */
export function startAnnouncing(options: AnnouncingOptions): Announcing {
  const { settings, log, metrics, user, onProblems } = options;
  const { speaker: own, source } = settings;
  let newest = EMPTY_SNAPSHOT;
  let told: readonly Problem[] = [];
  const write = (): void => reporter?.update(speaker.report(), speaker.problems, newest);
  const onChange = (): void => {
    write();
    if (speaker.problems !== told) onProblems();
    told = speaker.problems;
  };
  const speaker = new NodeSpeaker({
    settings: own,
    key: own.key === null ? null : readKey(own.key),
    metallbNamespace: addressOptions(settings.addresses, source.kind).poolNamespace,
    withoutNode: source.kind === 'manifests',
    user,
    onEvent: (level, event, message, fields) => log[level](event, message, fields),
    onChange,
  });
  const reporter = reporterOf(options);
  const exposed = exposedReader(settings);
  metrics.showSpeaker(() => speaker.report());
  return {
    secretsFor: (snapshot) => speaker.secretsFor(snapshot),
    update: (snapshot, plan) => {
      newest = snapshot;
      told = speaker.update(snapshot, exposed(snapshot, plan));
      write();
      return told;
    },
    get problems() {
      return speaker.problems;
    },
    report: () => speaker.report(),
    stop: async () => {
      await Promise.all([speaker.stop(), reporter?.close()]);
    },
  };
}

/** The Services that are reached from outside; the very same list while nothing about them changed. */
function exposedReader({ addresses, source, speaker }: AnnouncingSettings) {
  const { ownership } = addressOptions(addresses, source.kind);
  const { announceExternalIps } = speaker;
  let seen: readonly unknown[] = [];
  let exposed: readonly ExposedService[] = [];
  return ({ services, namespaces }: Snapshot, plan: AddressPlan): readonly ExposedService[] => {
    if (plan === seen[0] && services === seen[1] && namespaces === seen[2]) return exposed;
    seen = [plan, services, namespaces];
    const decided = source.kind === 'manifests' ? plan.allocations : null;
    const { pools } = plan;
    exposed = exposedServices({ services, namespaces, pools, ownership, decided, announceExternalIps });
    return exposed;
  };
}

function reporterOf({ settings, api, log, metrics }: AnnouncingOptions): SpeakerReporter | null {
  if (api === null) return null;
  const { pod, events } = settings.cluster;
  const namespace = pod.namespace ?? api.namespace;
  return new SpeakerReporter({
    api,
    node: settings.speaker.nodeName,
    namespace,
    // A Pod can only own what is in its own namespace.
    owner:
      pod.name !== null && pod.uid !== null && pod.namespace === namespace
        ? { name: pod.name, uid: pod.uid }
        : null,
    events: events ? { controller: CONTROLLER, instance: pod.name ?? hostname() } : null,
    onOutcome: (what, outcome) => metrics.countClusterWrite(what, outcome),
    onTrouble: (message) => log.warn('cluster-write-failed', message),
  });
}

function readKey(file: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`--speaker-key: ${(error as Error).message}`);
  }
  const key = new TextEncoder().encode(text);
  if (key.length >= LEAST_KEY_BYTES) return key;
  throw new Error(
    `--speaker-key: ${file} has ${key.length} bytes: expected at least ${LEAST_KEY_BYTES}, like those of: openssl rand -hex 32`,
  );
}

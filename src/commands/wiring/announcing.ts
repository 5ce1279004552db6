/** A speaker with what it writes to the cluster; the same for `run` and `speaker`. */
import type { AddressPlan } from '../../ipam/address-planner.ts';
import type { KubernetesApi } from '../../kubernetes/api.ts';
import type { ObjectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../model/snapshot.ts';
import type { SpeakerReport } from '../../model/speaker-report.ts';
import type { Log } from '../../observe/log.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { SpeakerCommandSettings } from '../../settings/settings.ts';
import { addressOptions } from './addresses.ts';
import { NodeSpeaker } from './node-speaker.ts';
import { SpeakerWriters } from './speaker-writers.ts';

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

export interface AnnouncingOptions {
  readonly settings: Pick<SpeakerCommandSettings, 'source' | 'addresses' | 'cluster' | 'speaker'>;
  /** null: there is no cluster to write to. */
  readonly api: KubernetesApi | null;
  readonly log: Log;
  readonly metrics: Metrics;
  /** {@link Announcing.problems} changed without an update. */
  readonly onProblems: () => void;
}

/** Throws with a message for the user when a setting cannot be used. */
export function startAnnouncing({ settings, api, log, metrics, onProblems }: AnnouncingOptions): Announcing {
  const { speaker: own, cluster, source } = settings;
  const addresses = addressOptions(settings.addresses, source.kind);
  let newest = EMPTY_SNAPSHOT;
  let told: readonly Problem[] = [];
  const write = (): void => writers?.update(speaker.report(), speaker.problems, newest);
  const onChange = (): void => {
    write();
    if (speaker.problems !== told) onProblems();
    told = speaker.problems;
  };
  const speaker = new NodeSpeaker({ settings: own, source: source.kind, addresses, log, onChange });
  // A Pod can only own what is in its own namespace.
  const namespace = cluster.pod.namespace ?? api?.namespace ?? 'default';
  const writers =
    api === null
      ? null
      : new SpeakerWriters({ api, settings: cluster, node: own.nodeName, namespace, log, metrics });
  metrics.showSpeaker(() => speaker.report());
  return {
    secretsFor: (snapshot) => speaker.secretsFor(snapshot),
    update: (snapshot, plan) => {
      newest = snapshot;
      told = speaker.update(snapshot, plan);
      write();
      return told;
    },
    get problems() {
      return speaker.problems;
    },
    report: () => speaker.report(),
    stop: async () => {
      await Promise.all([speaker.stop(), writers?.close()]);
    },
  };
}

/** What goes back to the cluster: an election among the replicas, and what the leader writes. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { KubernetesApi } from '../../kubernetes/api.ts';
import { fieldManagerOf } from '../../kubernetes/field-manager.ts';
import { Candidate } from '../../kubernetes/leader/candidate.ts';
import { type ObjectKey, objectKey } from '../../model/keys.ts';
import { formatProblem } from '../../model/problem.ts';
import type { Log } from '../../observe/log.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { ClusterSettings, PublishingSettings } from '../../settings/cluster.ts';
import type { ObjectReference } from '../../settings/values.ts';
import type { Publishing } from '../../status/addresses.ts';
import { isLastReplica } from '../../status/replicas.ts';
import { type Reported, StatusReporter } from '../../status/status-reporter.ts';

export interface Control {
  /** What was translated last; written when this replica leads. */
  update(reported: Reported): void;
  /** `work` is done in every term of leadership, until its signal aborts. Told at once when there is one now. */
  whileLeading(work: (term: AbortSignal) => void): void;
  /** Ends the leadership so that another replica can take over at once. */
  close(): Promise<void>;
}

export interface ControlOptions {
  readonly settings: ClusterSettings;
  /** `spec.controller` of our classes; Events name it as their author. */
  readonly controller: string;
  readonly api: KubernetesApi;
  readonly log: Log;
  readonly metrics: Metrics;
}

const LEASE = 'tidegate';
/** Of the time until a pod is killed (30 s when nothing is said). */
const WITHDRAWAL_MS = 5000;

export function startControl({ settings, controller, api, log, metrics }: ControlOptions): Control {
  const { pod, publishing } = settings;
  const works: ((term: AbortSignal) => void)[] = [];
  let term: AbortSignal | null = null;
  let latest: Reported | null = null;
  let closing = false;

  const reporter = new StatusReporter({
    api,
    manager: fieldManagerOf(controller),
    isLeading: () => isLeading(),
    publishing: publishing === null ? null : publishingOf(publishing),
    events: settings.events ? { controller, instance: pod.name ?? hostname() } : null,
    onOutcome: (what, outcome) => metrics.countClusterWrite(what, outcome),
    onTrouble: (message) => log.warn('cluster-write-failed', message),
    onUnpublished: (problem) => {
      if (problem === null) log.info('addresses-known', 'there are addresses to publish again');
      else log.warn('addresses-unknown', formatProblem(problem));
    },
  });
  const begin = (signal: AbortSignal): void => {
    term = signal;
    log.info('leading', 'this replica writes to the cluster');
    reporter.lead(signal);
    for (const work of works) work(signal);
  };
  const alone = new AbortController();
  const candidate = candidateOf(settings, api, log, begin);
  const isLeading = () => (candidate === null ? !alone.signal.aborted : candidate.leading);
  metrics.showLeading(isLeading);
  if (candidate === null) begin(alone.signal);
  else candidate.start();

  return {
    update: (reported) => {
      if (closing) return;
      latest = reported;
      reporter.update(reported);
    },
    whileLeading: (work) => {
      works.push(work);
      if (term !== null && !term.aborted) work(term);
    },
    close: async () => {
      closing = true;
      const service = keyOf(publishing?.service ?? null);
      if (settings.updateStatusOnShutdown && latest && isLastReplica(latest.snapshot, service, pod.ip)) {
        await reporter.withdraw(WITHDRAWAL_MS);
      }
      await candidate?.stop();
      alone.abort();
    },
  };
}

function candidateOf(
  { election, pod }: ClusterSettings,
  api: KubernetesApi,
  log: Log,
  onElected: (term: AbortSignal) => void,
): Candidate | null {
  if (election === null) return null;
  const { leaseDuration, renewDeadline, retryPeriod } = election;
  const lease = election.lease ?? { namespace: pod.namespace ?? api.namespace, name: LEASE };
  // A pod's name is not enough: its container may start anew while requests of the one before are on their way.
  const identity = `${pod.name ?? hostname()}_${randomUUID()}`;
  return new Candidate({
    api,
    lease,
    election: { identity, leaseDuration, renewDeadline, retryPeriod },
    onElected,
    onLost: (why) => log.info('not-leading', `this replica does not write to the cluster any more: ${why}`),
    onTrouble: (message) => log.warn('election-trouble', message),
  });
}

/** What is given wins over nodes, nodes over the Service. */
function publishingOf({ addresses, nodes, service }: PublishingSettings): Publishing | null {
  if (addresses.length > 0) return { kind: 'addresses', addresses };
  const key = keyOf(service);
  if (nodes !== 'off') {
    return { kind: 'nodes', type: nodes === 'internal' ? 'InternalIP' : 'ExternalIP', service: key };
  }
  return key === null ? null : { kind: 'service', service: key };
}

function keyOf(reference: ObjectReference | null): ObjectKey | null {
  return reference === null ? null : objectKey(reference.namespace, reference.name);
}

/** What is announced, to Prometheus: under MetalLB's names where it has one, so that its dashboards and alerts go on working. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { formatSocketAddress } from '../model/ip-text.ts';
import type { PeerReport, SpeakerReport } from '../model/speaker-report.ts';
import type { MetricDoc } from './metric-names.ts';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

export interface SpeakerMetric extends MetricDoc {
  samples(report: SpeakerReport): Iterable<Sample>;
}

export const SPEAKER_METRICS: readonly SpeakerMetric[] = [
  {
    ...gauge('metallb_speaker_announced', ['service', 'protocol', 'node', 'ip']),
    help: 'Addresses that this node announces; protocol is bgp or layer2. Always 1.',
    samples: announcedSamples,
  },
  peerMetric('gauge', 'metallb_bgp_session_up', 'Whether the session is established.', (peer) =>
    Number(peer.state === 'Established'),
  ),
  peerMetric(
    'counter',
    'metallb_bgp_updates_total',
    'UPDATE messages sent.',
    (p) => p.counters?.updatesSent ?? 0,
  ),
  peerMetric(
    'counter',
    'metallb_bgp_updates_total_received',
    'UPDATE messages received.',
    (p) => p.counters?.updatesReceived ?? 0,
  ),
  peerMetric('counter', 'metallb_bgp_total_sent', 'Messages sent.', (p) => p.counters?.messagesSent ?? 0),
  peerMetric(
    'counter',
    'metallb_bgp_total_received',
    'Messages received.',
    (p) => p.counters?.messagesReceived ?? 0,
  ),
  peerMetric(
    'gauge',
    'metallb_bgp_announced_prefixes_total',
    'Prefixes that the peer has from us.',
    (p) => p.announcedRoutes,
  ),
  peerMetric(
    'gauge',
    'metallb_bgp_pending_prefixes_total',
    'Prefixes that it should have and has not.',
    (p) => Math.max(0, p.wantedRoutes - p.announcedRoutes),
  ),
  peerMetric(
    'counter',
    'tidegate_bgp_session_drops_total',
    'Times that an established session ended.',
    (p) => p.counters?.dropped ?? 0,
  ),
  bfdMetric('gauge', 'metallb_bfd_session_up', 'Whether BFD sees the peer.', ({ state }) =>
    Number(state === 'Up'),
  ),
  bfdMetric(
    'counter',
    'metallb_bfd_control_packet_input',
    'Packets received.',
    ({ packetsReceived }) => packetsReceived,
  ),
  bfdMetric(
    'counter',
    'metallb_bfd_control_packet_output',
    'Packets sent.',
    ({ packetsSent }) => packetsSent,
  ),
  bfdMetric(
    'counter',
    'metallb_bfd_session_down_events',
    'Times that the peer was lost.',
    ({ losses }) => losses,
  ),
  layer2Metric(
    'metallb_layer2_requests_received',
    'Requests (ARP, NDP) for addresses that we answer for.',
    'requests',
  ),
  layer2Metric('metallb_layer2_responses_sent', 'Answers to them.', 'responses'),
  layer2Metric('metallb_layer2_gratuitous_sent', 'Announcements that nobody had asked for.', 'gratuitous'),
  {
    ...counter('tidegate_layer2_ignored_total', ['interface', 'reason']),
    help: 'Frames that were not answered, by reason.',
    *samples({ interfaces }) {
      for (const { name, ignored } of interfaces)
        for (const [reason, count] of ignored) yield [{ interface: name, reason }, count];
    },
  },
  {
    ...gauge('tidegate_layer2_conflicts', []),
    help: 'Hosts seen since the start that are no speakers and use an address of a Service.',
    samples: ({ conflicts }) => [[{}, conflicts.length]],
  },
  {
    ...gauge('tidegate_speakers', []),
    help: 'Speakers that live and hear this one, with itself; 0 without layer 2.',
    samples: ({ speakers }) => [[{}, speakers.length]],
  },
];

/** Registers all; `report` is asked once for each scrape. */
export function registerSpeakerMetrics(registry: Registry, report: () => SpeakerReport): void {
  const now = oncePerTurn(report);
  for (const { name, help, labels, type, samples } of SPEAKER_METRICS) {
    const common = { name, help, labelNames: [...labels], registers: [registry] };
    if (type === 'gauge')
      new Gauge({
        ...common,
        collect() {
          this.reset();
          for (const [values, value] of samples(now())) this.set(values, value);
        },
      });
    else
      new Counter({
        ...common,
        collect() {
          this.reset();
          for (const [values, value] of samples(now())) this.inc(values, value);
        },
      });
  }
}

function oncePerTurn<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    if (made === null) {
      made = { value: make() };
      setImmediate(() => {
        made = null;
      });
    }
    return made.value;
  };
}

function* announcedSamples({ node, addresses }: SpeakerReport): Generator<Sample> {
  for (const { service, address, bgp, layer2 } of addresses) {
    const labels = (protocol: string): Labels => ({ service, protocol, node, ip: address });
    if (bgp.verdict === 'announced') yield [labels('bgp'), 1];
    if (layer2.state === 'announcing') yield [labels('layer2'), 1];
  }
}

function peerMetric(
  type: 'gauge' | 'counter',
  name: string,
  help: string,
  value: (peer: PeerReport) => number,
): SpeakerMetric {
  return {
    name,
    type,
    labels: ['peer'],
    help,
    samples: ({ peers }) => peers.map((peer): Sample => [labelOf(peer), value(peer)]),
  };
}

function bfdMetric(
  type: 'gauge' | 'counter',
  name: string,
  help: string,
  value: (bfd: NonNullable<PeerReport['bfd']>) => number,
): SpeakerMetric {
  return {
    name,
    type,
    labels: ['peer'],
    help,
    samples: ({ peers }) =>
      peers.flatMap((peer): Sample[] => (peer.bfd === null ? [] : [[labelOf(peer), value(peer.bfd)]])),
  };
}

/** MetalLB names peers by where they are dialled. */
function labelOf({ address, port }: PeerReport): Labels {
  return { peer: formatSocketAddress(address, port) };
}

function layer2Metric(
  name: string,
  help: string,
  count: 'requests' | 'responses' | 'gratuitous',
): SpeakerMetric {
  return {
    ...counter(name, ['ip']),
    help,
    samples: ({ addresses }) => {
      // Services may share an address.
      const byAddress = new Map(addresses.map(({ address, layer2 }) => [address, layer2]));
      return [...byAddress].flatMap(([ip, { counters }]): Sample[] =>
        counters === null ? [] : [[{ ip }, counters[count]]],
      );
    },
  };
}

function gauge(name: string, labels: readonly string[]) {
  return { name, labels, type: 'gauge' } as const;
}

function counter(name: string, labels: readonly string[]) {
  return { name, labels, type: 'counter' } as const;
}

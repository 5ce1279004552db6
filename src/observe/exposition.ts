/**
 * The metrics of the series in Prometheus' text format. prom-client renders everything else; these are
 * written here because 20,000 series make close to a million lines, which must leave in pieces: the thread
 * that renders them also brings changes to the workers.
 */
import { LATENCY_BUCKETS, STATUS_CLASSES } from '../dataplane/messages.ts';
import { SERIES_METRICS } from './metric-names.ts';
import type { SeriesName, SeriesTotals } from './series.ts';

const CHUNK_SERIES = 128;

/** Text in pieces of moderate size; a family's lines follow each other, as the format demands. */
export function* exposeSeries(all: Iterable<SeriesTotals>): Generator<string> {
  const series = [...all].map((totals) => ({ totals, labels: labelsOf(totals) }));
  for (const family of FAMILIES) {
    const { name, help, type } = family.metric;
    let text = `\n# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    let count = 0;
    for (const { totals, labels } of series) {
      text += family.lines(name, labels, totals);
      if (++count % CHUNK_SERIES !== 0) continue;
      yield text;
      text = '';
    }
    yield text;
  }
}

interface Family {
  readonly metric: { readonly name: string; readonly help: string; readonly type: string };
  readonly lines: (name: string, labels: string, totals: SeriesTotals) => string;
}

const FAMILIES: readonly Family[] = [
  { metric: SERIES_METRICS.requests, lines: requestLines },
  {
    metric: SERIES_METRICS.duration,
    lines: (name, labels, totals) => histogramLines(name, labels, totals.duration, totals.durationSum),
  },
  {
    metric: SERIES_METRICS.upstream,
    lines: (name, labels, totals) => histogramLines(name, labels, totals.upstream, totals.upstreamSum),
  },
  {
    metric: SERIES_METRICS.received,
    lines: (name, labels, totals) => `${name}{${labels}} ${totals.receivedBytes}\n`,
  },
  {
    metric: SERIES_METRICS.sent,
    lines: (name, labels, totals) => `${name}{${labels}} ${totals.sentBytes}\n`,
  },
];

function requestLines(name: string, labels: string, totals: SeriesTotals): string {
  let text = '';
  for (const [index, code] of STATUS_CLASSES.entries()) {
    const count = totals.requests[index]!;
    if (count > 0) text += `${name}{${labels},code="${code}"} ${count}\n`;
  }
  return text;
}

/** Nothing for a histogram without observations. */
function histogramLines(name: string, labels: string, buckets: readonly number[], sum: number): string {
  let text = '';
  let cumulative = 0;
  for (const [index, count] of buckets.entries()) {
    cumulative += count;
    text += `${name}_bucket{${labels},le="${LATENCY_BUCKETS[index] ?? '+Inf'}"} ${cumulative}\n`;
  }
  if (cumulative === 0) return '';
  return `${text}${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${cumulative}\n`;
}

function labelsOf({ host, namespace, ingress, service }: SeriesName): string {
  return `host="${escapeLabel(host)}",namespace="${escapeLabel(namespace)}",ingress="${escapeLabel(ingress)}",service="${escapeLabel(service)}"`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

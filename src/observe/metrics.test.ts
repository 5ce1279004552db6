import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LATENCY_BUCKETS, type SeriesReport, type StatsReport } from '../dataplane/messages.ts';
import { COUNTERS } from '../dataplane/stats.ts';
import { WORKER_METRICS } from './metric-names.ts';
import { Metrics, type MetricsOptions } from './metrics.ts';

function series(over: Partial<SeriesReport> = {}): SeriesReport {
  return {
    host: 'shop.example.com',
    namespace: 'shop',
    ingress: 'web',
    service: 'shop/web:80',
    requests: [0, 3, 0, 1, 0],
    duration: bucketed(0, 4),
    durationSum: 0.5,
    upstream: bucketed(2, 3),
    upstreamSum: 0.25,
    receivedBytes: 10,
    sentBytes: 20,
    ...over,
  };
}

/** `count` observations in bucket `index`. */
function bucketed(index: number, count: number): number[] {
  return [...LATENCY_BUCKETS, Infinity].map((_, at) => (at === index ? count : 0));
}

function report(over: Partial<StatsReport>): StatsReport {
  return { series: [], counters: {}, gauges: {}, ...over };
}

function metrics(options: Partial<MetricsOptions> = {}): Metrics {
  return new Metrics({ version: '1.2.3', ...options });
}

async function textOf(from: Metrics): Promise<string> {
  let text = '';
  for await (const piece of from.text()) text += piece;
  return text;
}

/** The samples of our own metrics: name with labels → value. */
async function samples(from: Metrics): Promise<Map<string, number>> {
  const lines = (await textOf(from)).split('\n').filter((line) => line.startsWith('tidegate_'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

const LABELS = 'host="shop.example.com",namespace="shop",ingress="web",service="shop/web:80"';

test('reports of all workers are added up', async () => {
  const all = metrics();
  all.addReport(0, report({ series: [series()], counters: { connections_total: 2 } }));
  all.addReport(1, report({ series: [series()], counters: { connections_total: 3 } }));
  all.addReport(0, report({ series: [series({ requests: [0, 1, 0, 0, 2] })] }));
  const found = await samples(all);
  assert.equal(found.get(`tidegate_requests_total{${LABELS},code="2xx"}`), 7);
  assert.equal(found.get(`tidegate_requests_total{${LABELS},code="4xx"}`), 2);
  assert.equal(found.get(`tidegate_requests_total{${LABELS},code="5xx"}`), 2);
  assert.equal(found.has(`tidegate_requests_total{${LABELS},code="1xx"}`), false);
  assert.equal(found.get(`tidegate_received_bytes_total{${LABELS}}`), 30);
  assert.equal(found.get(`tidegate_sent_bytes_total{${LABELS}}`), 60);
  assert.equal(found.get('tidegate_connections_total'), 5);
});

test('histograms are cumulative, with +Inf equal to the count', async () => {
  const all = metrics();
  const duration = LATENCY_BUCKETS.map(() => 1).concat(5);
  all.addReport(0, report({ series: [series({ duration })] }));
  const found = await samples(all);
  const name = 'tidegate_request_duration_seconds';
  const buckets = LATENCY_BUCKETS.map((bound) => found.get(`${name}_bucket{${LABELS},le="${bound}"}`));
  assert.deepEqual(
    buckets,
    LATENCY_BUCKETS.map((_, index) => index + 1),
  );
  assert.equal(found.get(`${name}_bucket{${LABELS},le="+Inf"}`), LATENCY_BUCKETS.length + 5);
  assert.equal(found.get(`${name}_count{${LABELS}}`), LATENCY_BUCKETS.length + 5);
  assert.equal(found.get(`${name}_sum{${LABELS}}`), 0.5);
});

test('a histogram without observations is not shown', async () => {
  const all = metrics();
  all.addReport(0, report({ series: [series({ upstream: bucketed(0, 0), upstreamSum: 0 })] }));
  assert.doesNotMatch(await textOf(all), /tidegate_upstream_duration_seconds_/);
});

test('the lag of the event loop is told without the time between two samples', async () => {
  const text = await textOf(metrics());
  const families = text.match(/^# HELP nodejs_eventloop_lag_\w+_seconds .*$/gm) ?? [];
  assert.equal(families.length, 7);
  for (const family of families) assert.match(family, /How late a timer .* was/);
  assert.equal(text.match(/^nodejs_eventloop_lag_\w+_seconds \S+$/gm)?.length, 7);
});

test('label values are escaped', async () => {
  const all = metrics();
  all.addReport(0, report({ series: [series({ host: 'a"b\\c\nd' })] }));
  assert.match(await textOf(all), /host="a\\"b\\\\c\\nd"/);
});

test('the text of a metric stands together and every family has help and type once', async () => {
  const all = metrics();
  const reports = Array.from({ length: 300 }, (_, index) => series({ host: `h${index}.example.com` }));
  all.addReport(0, report({ series: reports, counters: { connections_total: 1 } }));
  const families: string[] = [];
  for (const line of (await textOf(all)).split('\n')) {
    if (line === '') continue;
    const [, kind, named] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? [];
    if (kind === 'HELP') families.push(named!);
    else if (kind === 'TYPE') assert.equal(named, families.at(-1));
    else assert.ok(line.startsWith(families.at(-1)!), `${line} under ${families.at(-1)}`);
  }
  assert.equal(new Set(families).size, families.length);
});

describe('the number of series is bounded', () => {
  const hosts = (from: Metrics): string[] => [...from.series.values()].map((totals) => totals.host).sort();

  test('further ones are added up as host "other"', () => {
    const all = metrics({ maxSeries: 3 });
    for (const host of ['a', 'b', 'c', 'd']) all.addReport(0, report({ series: [series({ host })] }));
    assert.deepEqual(hosts(all), ['a', 'b', 'other']);
    const other = all.series.get({ host: 'other', namespace: '', ingress: '', service: '' });
    assert.deepEqual(other?.requests, [0, 6, 0, 2, 0]);
  });

  test('known ones go on counting when it is full', () => {
    const all = metrics({ maxSeries: 3 });
    for (const host of ['a', 'b', 'c', 'a']) all.addReport(0, report({ series: [series({ host })] }));
    const known = all.series.get({ host: 'a', namespace: 'shop', ingress: 'web', service: 'shop/web:80' });
    assert.equal(known?.requests[1], 6);
  });

  test('those without a request for an hour make room', () => {
    let now = 0;
    const all = metrics({ maxSeries: 3, now: () => now });
    for (const host of ['a', 'b']) all.addReport(0, report({ series: [series({ host })] }));
    now += 3_000_000;
    all.addReport(0, report({ series: [series({ host: 'b' })] }));
    now += 1_000_000;
    all.addReport(0, report({ series: [series({ host: 'c' })] }));
    assert.deepEqual(hosts(all), ['b', 'c']);
  });
});

test('gauges are added up over the workers, those of the workers themselves are not', async () => {
  const all = metrics();
  all.addReport(0, report({ gauges: { connections: 2, worker_event_loop_lag_seconds: 0.5 } }));
  all.addReport(1, report({ gauges: { connections: 3, worker_event_loop_lag_seconds: 0.25 } }));
  all.addReport(1, report({ gauges: { connections: 4, worker_event_loop_lag_seconds: 0.125 } }));
  const found = await samples(all);
  assert.equal(found.get('tidegate_connections'), 6);
  assert.equal(found.get('tidegate_worker_event_loop_lag_seconds{worker="0"}'), 0.5);
  assert.equal(found.get('tidegate_worker_event_loop_lag_seconds{worker="1"}'), 0.125);
});

test('a worker that is gone takes its gauges along and leaves its counts', async () => {
  const all = metrics();
  all.addReport(0, report({ gauges: { connections: 2 }, counters: { connections_total: 5 } }));
  all.removeWorker(0);
  all.countRestart();
  const found = await samples(all);
  assert.equal(found.get('tidegate_connections'), 0);
  assert.equal(found.get('tidegate_connections_total'), 5);
  assert.equal(found.get('tidegate_worker_restarts_total'), 1);
});

test('the part of a name after a colon is a label, and unknown names are shown too', async () => {
  const all = metrics();
  const counters = { 'limit_hits_total:connections': 1, 'odd_total:why': 2, odd_total: 3 };
  all.addReport(0, report({ counters, gauges: { strange: 4 } }));
  const found = await samples(all);
  assert.equal(found.get('tidegate_limit_hits_total{limit="connections"}'), 1);
  assert.equal(found.get('tidegate_odd_total{reason="why"}'), 2);
  assert.equal(found.get('tidegate_odd_total'), 3);
  assert.equal(found.get('tidegate_strange'), 4);
});

test('reloads show generation, count, time, objects and problems', async () => {
  const all = metrics({ droppedLines: () => 9 });
  const problems = { error: 1, warning: 2 };
  all.recordReload({ generation: 4, seconds: 0.004, objects: { Ingress: 3, Service: 2 }, problems });
  all.recordReload({ generation: 5, seconds: 0.2, objects: { Ingress: 3 }, problems });
  const found = await samples(all);
  assert.equal(found.get('tidegate_config_generation'), 5);
  assert.equal(found.get('tidegate_config_reloads_total'), 2);
  assert.equal(found.get('tidegate_config_reload_seconds_bucket{le="0.005"}'), 1);
  assert.equal(found.get('tidegate_config_objects{kind="Ingress"}'), 3);
  assert.equal(found.has('tidegate_config_objects{kind="Service"}'), false);
  assert.equal(found.get('tidegate_config_problems{severity="error"}'), 1);
  assert.equal(found.get('tidegate_config_problems{severity="warning"}'), 2);
  assert.equal(found.get('tidegate_log_dropped_lines_total'), 9);
  assert.equal(found.get('tidegate_build_info{version="1.2.3"}'), 1);
});

test('counters of the workers are there from the start and each is documented', async () => {
  const found = await samples(metrics());
  for (const name of COUNTERS) {
    const [family, value] = name.split(':');
    const doc = WORKER_METRICS.find((each) => each.name === `tidegate_${family}`);
    assert.ok(doc !== undefined, `${family} is not documented`);
    const label = value === undefined ? '' : `{${doc.labels[0]}="${value}"}`;
    assert.equal(found.get(`tidegate_${family}${label}`), 0);
  }
});

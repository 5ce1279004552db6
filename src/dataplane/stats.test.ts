import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LATENCY_BUCKETS, type SeriesName, type StatsReport } from './messages.ts';
import { Stats, unpack } from './stats.ts';

/** As the main thread does: keeps the names it was once told. */
function reader(stats: Stats): (most?: number) => StatsReport {
  const known = new Map<number, SeriesName>();
  return (most = 1000) => unpack(structuredClone(stats.pack({}, most)), known);
}

test('a request counts in its class, its buckets and its sums', () => {
  const stats = new Stats();
  const read = reader(stats);
  const series = stats.series('a.test', 'ns', 'web', 'ns/web:80');
  series.record(200, 0.4, 0.3, 10, 20);
  series.record(503, 2.5, -1, 1, 2); // a bound belongs to its bucket
  series.record(404, 11_000, 2.51, 0, 0);
  const report = read();
  assert.equal(report.series.length, 1);
  const [one] = report.series;
  assert.partialDeepStrictEqual(one, {
    host: 'a.test',
    namespace: 'ns',
    ingress: 'web',
    service: 'ns/web:80',
    requests: [0, 1, 0, 1, 1],
    receivedBytes: 11,
    sentBytes: 22,
  });
  const buckets = (...at: number[]) =>
    Array.from({ length: LATENCY_BUCKETS.length + 1 }, (_, i) => at.filter((k) => k === i).length);
  assert.deepEqual(one!.duration, buckets(0, 1, LATENCY_BUCKETS.length));
  assert.deepEqual(one!.upstream, buckets(0, 2), 'without the one that no upstream answered');
  assert.ok(Math.abs(one!.durationSum - 11.0029) < 1e-9);
  assert.ok(Math.abs(one!.upstreamSum - 0.00281) < 1e-9);
});

test('a report holds differences only: what was told is not told again', () => {
  const stats = new Stats();
  const read = reader(stats);
  stats.series('a', '', '', '').record(200, 1, -1, 5, 5);
  stats.counters.connections_total += 3;
  assert.partialDeepStrictEqual(read(), {
    counters: { connections_total: 3 },
    series: [{ host: 'a', receivedBytes: 5 }],
  });
  assert.deepEqual(read(), { series: [], counters: {}, gauges: {} });
  stats.series('a', '', '', '').record(200, 1, -1, 7, 7);
  assert.partialDeepStrictEqual(read(), {
    series: [{ host: 'a', receivedBytes: 7, requests: [0, 1, 0, 0, 0] }],
  });
});

test('the same labels are the same series; labels do not run into each other', () => {
  const stats = new Stats();
  assert.equal(stats.series('a', 'b', 'c', 'd'), stats.series('a', 'b', 'c', 'd'));
  assert.notEqual(stats.series('a', 'b', 'c', 'd'), stats.series('a', 'bc', '', 'd'));
});

test('nothing is lost or counted twice, however many series there are and in whatever pieces they are told', () => {
  const counts = fc.array(fc.tuple(fc.nat(600), fc.nat(3)), { maxLength: 60 });
  fc.assert(
    fc.property(fc.array(fc.tuple(counts, fc.integer({ min: 1, max: 7 })), { maxLength: 6 }), (rounds) => {
      const stats = new Stats();
      const read = reader(stats);
      const expected = new Map<string, number>();
      const got = new Map<string, number>();
      for (const [records, most] of rounds) {
        for (const [host, bytes] of records) {
          stats.series(`${host}`, '', '', '').record(200, 1, 1, bytes, 0);
          expected.set(`${host}`, (expected.get(`${host}`) ?? 0) + bytes + 1000);
        }
        for (const { host, receivedBytes, requests } of read(most).series)
          got.set(host, (got.get(host) ?? 0) + receivedBytes + 1000 * requests[1]!);
      }
      while (stats.hasChanges) {
        for (const { host, receivedBytes, requests } of read(3).series)
          got.set(host, (got.get(host) ?? 0) + receivedBytes + 1000 * requests[1]!);
      }
      assert.deepEqual(new Map([...got].sort()), new Map([...expected].sort()));
    }),
    { numRuns: 100 },
  );
});

/** Adds up what workers report and gives it to Prometheus and to the dashboard. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { StatsReport } from '../dataplane/messages.ts';
import { COUNTERS } from '../dataplane/stats.ts';
import type { Certificate } from '../model/certificate.ts';
import type { PoolUsage } from '../model/metallb.ts';
import type { SpeakerReport } from '../model/speaker-report.ts';
import { NEVER_MS, registerEventLoopLag } from './event-loop-lag.ts';
import { exposeSeries } from './exposition.ts';
import { POOL_METRICS, PROCESS_METRICS, WORKER_METRICS } from './metric-names.ts';
import { SeriesTable } from './series.ts';
import { registerSpeakerMetrics } from './speaker-metrics.ts';

export interface Reload {
  readonly generation: number;
  /** From the settled change until all workers use the table. */
  readonly seconds: number;
  /** Number of objects by kind. */
  readonly objects: Readonly<Record<string, number>>;
  readonly problems: { readonly error: number; readonly warning: number };
}

export interface MetricsOptions {
  readonly version: string;
  readonly maxSeries?: number;
  /** Lines that the log lost since the start. */
  readonly droppedLines?: () => number;
  readonly now?: () => number;
  /** Those that are served. */
  readonly certificates?: () => Iterable<Pick<Certificate, 'id' | 'names' | 'notAfter'>>;
}

const MAX_SERIES = 20_000;
const MAX_CERTIFICATES = 500;
/** Gauges with this prefix are shown for each worker; the others are added up. */
const PER_WORKER = 'worker_';

export class Metrics {
  readonly series: SeriesTable;
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #totals = new Map<string, number>();
  readonly #gaugeNames = new Set<string>();
  readonly #workers = new Map<number, Readonly<Record<string, number>>>();
  readonly #generation: Gauge;
  readonly #reloads: Counter;
  readonly #reloadSeconds: Histogram;
  readonly #objects: Gauge;
  readonly #problems: Gauge;
  readonly #restarts: Counter;
  readonly #apiRequests: Counter;
  readonly #clusterWrites: Counter;

  constructor(options: MetricsOptions) {
    const registers = [this.#registry];
    this.series = new SeriesTable(options.maxSeries ?? MAX_SERIES, options.now ?? Date.now);
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: NEVER_MS });
    registerEventLoopLag(this.#registry);
    new Gauge({ ...described(PROCESS_METRICS.info), registers }).set({ version: options.version }, 1);
    this.#generation = new Gauge({ ...described(PROCESS_METRICS.generation), registers });
    this.#reloads = new Counter({ ...described(PROCESS_METRICS.reloads), registers });
    const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
    this.#reloadSeconds = new Histogram({ ...described(PROCESS_METRICS.reloadSeconds), buckets, registers });
    this.#objects = new Gauge({ ...described(PROCESS_METRICS.objects), registers });
    this.#problems = new Gauge({ ...described(PROCESS_METRICS.problems), registers });
    this.#restarts = new Counter({ ...described(PROCESS_METRICS.restarts), registers });
    this.#apiRequests = new Counter({ ...described(PROCESS_METRICS.apiRequests), registers });
    this.#clusterWrites = new Counter({ ...described(PROCESS_METRICS.clusterWrites), registers });
    const { series } = this;
    new Gauge({
      ...described(PROCESS_METRICS.series),
      registers,
      collect() {
        this.set(series.size);
      },
    });
    new Counter({
      ...described(PROCESS_METRICS.droppedLines),
      registers,
      collect() {
        this.reset();
        this.inc(options.droppedLines?.() ?? 0);
      },
    });
    this.#showCertificates(options.certificates ?? (() => []));
    // A counter that is there from the start shows its first increase too.
    for (const name of COUNTERS) this.#count(name, 0);
  }

  /** Takes a report of worker number `worker`. */
  addReport(worker: number, report: StatsReport): void {
    for (const series of report.series) this.series.add(series);
    for (const [name, difference] of Object.entries(report.counters)) this.#count(name, difference);
    this.#workers.set(worker, report.gauges);
    for (const name of Object.keys(report.gauges)) this.#showGauge(name);
  }

  /** A worker ended: its gauges are gone, what it counted stays. */
  removeWorker(worker: number): void {
    this.#workers.delete(worker);
  }

  countApiRequest(verb: string, resource: string, code: string): void {
    this.#apiRequests.inc({ verb, resource, code });
  }

  countClusterWrite(what: 'status' | 'event', result: string): void {
    this.#clusterWrites.inc({ what, result });
  }

  showLeading(leading: () => boolean): void {
    new Gauge({
      ...described(PROCESS_METRICS.leading),
      registers: [this.#registry],
      collect() {
        this.set(leading() ? 1 : 0);
      },
    });
  }

  /** `usage` tells how full each address pool is, by its name. */
  showPools(usage: () => ReadonlyMap<string, PoolUsage>): void {
    for (const [name, count] of POOL_COUNTS) {
      new Gauge({
        ...described(POOL_METRICS[name]),
        registers: [this.#registry],
        collect() {
          this.reset();
          for (const [pool, used] of usage()) this.set({ pool }, count(used));
        },
      });
    }
  }

  /** `report` tells what this node announces. */
  showSpeaker(report: () => SpeakerReport): void {
    registerSpeakerMetrics(this.#registry, report);
  }

  /** `behindMs` tells for how long the source has not been up to date: 0 while it is, null when it never was. */
  showSource(behindMs: () => number | null): void {
    const registers = [this.#registry];
    new Gauge({
      ...described(PROCESS_METRICS.connected),
      registers,
      collect() {
        this.set(behindMs() === 0 ? 1 : 0);
      },
    });
    new Gauge({
      ...described(PROCESS_METRICS.behind),
      registers,
      collect() {
        this.set((behindMs() ?? Number.NaN) / 1000);
      },
    });
  }

  countRestart(): void {
    this.#restarts.inc();
  }

  recordReload(reload: Reload): void {
    this.#generation.set(reload.generation);
    this.#reloads.inc();
    this.#reloadSeconds.observe(reload.seconds);
    this.recordObjects(reload.objects, reload.problems);
  }

  /** For a change of the objects that gave the same table. */
  recordObjects(objects: Reload['objects'], problems: Reload['problems']): void {
    this.#objects.reset();
    for (const [kind, count] of Object.entries(objects)) this.#objects.set({ kind }, count);
    this.#problems.set({ severity: 'error' }, problems.error);
    this.#problems.set({ severity: 'warning' }, problems.warning);
  }

  /** Prometheus' text format 0.0.4, in pieces. */
  async *text(): AsyncGenerator<string> {
    yield await this.#registry.metrics();
    yield* exposeSeries(this.series.values());
  }

  /** Totals by the names that workers use; `name:value` for a labelled one. */
  get counters(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  /** The latest gauges by worker number. */
  get workers(): ReadonlyMap<number, Readonly<Record<string, number>>> {
    return this.#workers;
  }

  /** One gauge added up over all workers. */
  gauge(name: string): number {
    let sum = 0;
    for (const gauges of this.#workers.values()) sum += gauges[name] ?? 0;
    return sum;
  }

  #showCertificates(served: NonNullable<MetricsOptions['certificates']>): void {
    new Gauge({
      ...described(PROCESS_METRICS.certificateExpiry),
      registers: [this.#registry],
      collect() {
        this.reset();
        const first = [...served()].sort((a, b) => a.notAfter - b.notAfter).slice(0, MAX_CERTIFICATES);
        for (const { id, names, notAfter } of first)
          this.set({ name: names[0] ?? '', id: id.slice(0, 16) }, notAfter / 1000);
      },
    });
  }

  #count(name: string, difference: number): void {
    this.#totals.set(name, (this.#totals.get(name) ?? 0) + difference);
    const { family, value } = splitName(name);
    const label = labelOf(family);
    let counter = this.#counters.get(family);
    if (!counter) {
      counter = new Counter({ ...workerMetric(family), labelNames: [label], registers: [this.#registry] });
      this.#counters.set(family, counter);
    }
    if (value === null) counter.inc(difference);
    else counter.inc({ [label]: value }, difference);
  }

  #showGauge(name: string): void {
    if (this.#gaugeNames.has(name)) return;
    this.#gaugeNames.add(name);
    const perWorker = name.startsWith(PER_WORKER);
    const workers = this.#workers;
    const sum = (): number => this.gauge(name);
    new Gauge({
      ...workerMetric(name),
      labelNames: perWorker ? ['worker'] : [],
      registers: [this.#registry],
      collect() {
        this.reset();
        if (!perWorker) return this.set(sum());
        for (const [worker, gauges] of workers) this.set({ worker: String(worker) }, gauges[name] ?? 0);
      },
    });
  }
}

const POOL_COUNTS: readonly (readonly [keyof typeof POOL_METRICS, (usage: PoolUsage) => number])[] = [
  ['addresses', (use) => use.assignedIPv4 + use.availableIPv4 + use.assignedIPv6 + use.availableIPv6],
  ['ipv4', (use) => use.assignedIPv4 + use.availableIPv4],
  ['ipv6', (use) => use.assignedIPv6 + use.availableIPv6],
  ['inUse', (use) => use.assignedIPv4 + use.assignedIPv6],
  ['ipv4InUse', (use) => use.assignedIPv4],
  ['ipv6InUse', (use) => use.assignedIPv6],
];

function described(doc: { name: string; help: string; labels: readonly string[] }) {
  return { name: doc.name, help: doc.help, labelNames: [...doc.labels] };
}

/** `limit_hits_total:connections` is family `limit_hits_total` with the label value `connections`. */
function splitName(name: string): { family: string; value: string | null } {
  const colon = name.indexOf(':');
  return colon === -1
    ? { family: name, value: null }
    : { family: name.slice(0, colon), value: name.slice(colon + 1) };
}

function labelOf(family: string): string {
  return WORKER_METRICS.find((doc) => doc.name === `tidegate_${family}`)?.labels[0] ?? 'reason';
}

function workerMetric(family: string): { name: string; help: string } {
  const name = `tidegate_${family.replace(/[^a-zA-Z0-9_]/g, '_')}`;
  return { name, help: WORKER_METRICS.find((doc) => doc.name === name)?.help ?? 'Reported by the workers.' };
}

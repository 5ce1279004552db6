import type { Problem } from '../model/problem.ts';
import type { RoutingTable } from '../model/routing-table.ts';
import type { SpeakerReport } from '../model/speaker-report.ts';
import type { Metrics } from '../observe/metrics.ts';

export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly reason: 'starting' | 'draining' };

/** What the admin listener may see of the running program; it changes nothing. */
export interface AdminView {
  readonly version: string;
  readonly metrics: Metrics;
  readiness(): Readiness;
  /** The live table; empty where nothing is routed. */
  table(): RoutingTable;
  problems(): readonly Problem[];
  /** null: nothing is announced from here. */
  readonly speaker: (() => SpeakerReport) | null;
  /** Asks all workers to report to `metrics`; resolves when they have. A worker that hangs may keep it waiting. */
  refresh(): Promise<void>;
}

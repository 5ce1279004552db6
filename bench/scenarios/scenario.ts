/** A scenario measures one thing and gives plain data; the report knows how to print it. */
import type { Backend } from '../backends/nginx-backend.ts';
import type { Peer } from '../peers/peer.ts';
import type { Effort, Row } from '../rounds.ts';

export interface Scenario {
  /** As `--scenario` takes it. */
  readonly name: string;
  readonly title: string;
  /** One or two sentences: what is done, and with what. */
  readonly description: string;
  run(context: Context): Promise<Outcome>;
}

export interface Context {
  readonly backend: Backend;
  /** Those that are present and asked for. */
  readonly peers: readonly Peer[];
  readonly effort: Effort;
  /** Smaller numbers of objects and connections, for a first look. */
  readonly quick: boolean;
  /** Empty, removed after the scenario. */
  readonly directory: string;
}

export interface Outcome {
  readonly comparisons: readonly Comparison[];
  readonly facts: readonly Fact[];
  /** What could not be measured, and why. */
  readonly failures: readonly string[];
}

export const NOTHING: Outcome = { comparisons: [], facts: [], failures: [] };

export function mergeOutcomes(outcomes: readonly Outcome[]): Outcome {
  return {
    comparisons: outcomes.flatMap(({ comparisons }) => comparisons),
    facts: outcomes.flatMap(({ facts }) => facts),
    failures: outcomes.flatMap(({ failures }) => failures),
  };
}

/** Candidates side by side under the same load. */
export interface Comparison {
  readonly title: string;
  /** What CPU is counted per: `request`, `message`. */
  readonly unit: string;
  readonly rows: readonly Row[];
  readonly targets: readonly Target[];
}

/** A single figure. */
export interface Fact {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it may be at most; null without a target. */
  readonly atMost: number | null;
}

/** CPU per unit of the row `name` to that of `reference` may be at most this. */
export interface Target {
  readonly name: string;
  readonly reference: string;
  readonly atMost: number;
}

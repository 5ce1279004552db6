/** The measurement itself: short runs of each candidate in turn, so that a noisy moment of the machine hits all. */
import { type CpuTime, cpuOfTree } from './cpu.ts';
import type { LoadResult } from './load/load.ts';
import { median, quantile } from './statistics.ts';

export interface Candidate {
  readonly name: string;
  readonly pid: number;
  /** Puts load on it for so many seconds. */
  readonly load: (seconds: number) => Promise<LoadResult>;
  /** Name of the candidate its ratios refer to; null for none. */
  readonly reference: string | null;
}

export interface Sample extends LoadResult {
  /** CPU microseconds of the proxy per request, user and system. */
  readonly cpuUs: number;
  readonly systemUs: number;
}

export interface Row {
  readonly name: string;
  readonly cpuUs: number;
  readonly cpuLowerQuartileUs: number;
  /** Share of the CPU time that was spent in the kernel, 0..1. */
  readonly systemShare: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Median of the ratios of the single rounds; null without a reference. */
  readonly ratio: { readonly to: string; readonly cpu: number; readonly perSecond: number } | null;
  /** Over all rounds. */
  readonly errors: number;
}

export interface Effort {
  readonly rounds: number;
  /** Of load per candidate and round. */
  readonly seconds: number;
}

/** Warms each candidate up, then measures all in each round; the order moves by one from round to round. */
export async function measureRounds(candidates: readonly Candidate[], effort: Effort): Promise<Row[]> {
  for (const candidate of candidates) await candidate.load(effort.seconds);
  const samples = new Map<string, Sample[]>(candidates.map(({ name }) => [name, []]));
  for (let round = 0; round < effort.rounds; round++) {
    for (let turn = 0; turn < candidates.length; turn++) {
      const candidate = candidates[(round + turn) % candidates.length]!; // the remainder is in range
      samples.get(candidate.name)?.push(await measure(candidate, effort.seconds));
    }
  }
  return candidates.map((candidate) => summarise(candidate, samples));
}

async function measure(candidate: Candidate, seconds: number): Promise<Sample> {
  const before = cpuOfTree(candidate.pid);
  const result = await candidate.load(seconds);
  return { ...result, ...perRequest(before, cpuOfTree(candidate.pid), result.completed) };
}

function perRequest(before: CpuTime, after: CpuTime, requests: number): { cpuUs: number; systemUs: number } {
  const systemUs = (after.systemUs - before.systemUs) / requests;
  return { cpuUs: (after.userUs - before.userUs) / requests + systemUs, systemUs };
}

/** One line of the report from the samples of all candidates, by name; rounds stand at the same index. */
export function summarise(
  candidate: Pick<Candidate, 'name' | 'reference'>,
  all: ReadonlyMap<string, readonly Sample[]>,
): Row {
  const samples = all.get(candidate.name) ?? [];
  const reference = all.get(candidate.reference ?? '');
  const of = (pick: (sample: Sample) => number): number[] => samples.map(pick);
  const ratioOf = (pick: (sample: Sample) => number): number =>
    median(samples.map((sample, round) => pick(sample) / pick(reference?.[round] ?? sample)));
  const perSecond = ({ completed, seconds }: Sample): number => completed / seconds;
  return {
    name: candidate.name,
    cpuUs: median(of(({ cpuUs }) => cpuUs)),
    cpuLowerQuartileUs: quantile(
      of(({ cpuUs }) => cpuUs),
      0.25,
    ),
    systemShare: median(of(({ systemUs, cpuUs }) => systemUs / cpuUs)),
    perSecond: median(of(perSecond)),
    p50Us: median(of(({ p50Us }) => p50Us)),
    p99Us: median(of(({ p99Us }) => p99Us)),
    ratio: reference
      ? { to: candidate.reference!, cpu: ratioOf(({ cpuUs }) => cpuUs), perSecond: ratioOf(perSecond) }
      : null,
    errors: samples.reduce((sum, { errors }) => sum + errors, 0),
  };
}

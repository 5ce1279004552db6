/**
 * Structured re-emission and lifecycle, by simulation: whatever clients and backends do, in whatever order, what goes
 * upstream are exactly the requests that were sent, each client gets one response a request in order, and nothing
 * leaks. TIDEGATE_FUZZ_SEED=n runs one seed; TIDEGATE_FUZZ_RUNS=n that many, beginning there.
 */
import { test } from 'node:test';
import { simulate } from './simulation.ts';

const first = Number(process.env['TIDEGATE_FUZZ_SEED'] ?? 1);
const runs = Number(
  process.env['TIDEGATE_FUZZ_RUNS'] ?? (process.env['TIDEGATE_FUZZ_SEED'] === undefined ? 1000 : 1),
);

test(`seeds ${first} to ${first + runs - 1}`, (t) => {
  let requests = 0;
  let answered = 0;
  let steps = 0;
  for (let seed = first; seed < first + runs; seed++) {
    try {
      const outcome = simulate(seed);
      requests += outcome.requests;
      answered += outcome.answered;
      steps += outcome.steps;
    } catch (error) {
      throw new Error(`TIDEGATE_FUZZ_SEED=${seed}`, { cause: error });
    }
  }
  t.diagnostic(`${runs} runs, ${steps} steps, ${requests} requests, ${answered} answered`);
});

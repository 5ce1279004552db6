/** The command line of the bench. */
import { parseArgs } from 'node:util';
import { PEERS } from './peers/all.ts';
import type { Peer } from './peers/peer.ts';
import type { Effort } from './rounds.ts';
import { SCENARIOS } from './scenarios/all.ts';
import type { Scenario } from './scenarios/scenario.ts';

export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly Peer[];
  readonly effort: Effort;
  readonly quick: boolean;
}

export const USAGE = `node bench/run.ts [--quick] [--scenario A,B] [--peers A,B] [--rounds N] [--seconds N]

  --quick      2 rounds of 1 s, fewer objects and connections: a first look, not a result
  --scenario   of: ${SCENARIOS.map(({ name }) => name).join(', ')}
  --peers      of: ${PEERS.map(({ name }) => name).join(', ')}
  --rounds     interleaved rounds per scenario (7)
  --seconds    of load per peer and round (2)

A run of all scenarios and peers that is not quick renews docs/performance.md and its figure. Every run leaves
its figures in bench/results/.`;

/** Takes the arguments after the program's name; throws an Error for the user when they make no sense. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      scenario: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
    },
  });
  return {
    scenarios: choose('--scenario', values.scenario, SCENARIOS),
    peers: choose('--peers', values.peers, PEERS),
    effort: {
      rounds: positive('--rounds', values.rounds, values.quick ? 2 : 7),
      seconds: positive('--seconds', values.seconds, values.quick ? 1 : 2),
    },
    quick: values.quick,
  };
}

/** The members of `all` that `names` (with commas) names, in the order of `all`. */
function choose<T extends { readonly name: string }>(
  flag: string,
  names: string | undefined,
  all: readonly T[],
): readonly T[] {
  if (names === undefined) return all;
  const wanted = new Set(names.split(',').map((name) => name.trim().toLowerCase()));
  const chosen = all.filter(({ name }) => wanted.delete(name.toLowerCase()));
  if (wanted.size === 0) return chosen;
  throw new Error(
    `${flag}: unknown ${[...wanted].join(', ')}; expected some of ${all.map(({ name }) => name).join(', ')}`,
  );
}

function positive(flag: string, value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`${flag}: ${value} is not a whole number above 0`);
}

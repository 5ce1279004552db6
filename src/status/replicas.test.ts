import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { objectKey } from '../model/keys.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { isLastReplica } from './replicas.ts';

const FRONT = objectKey('tidegate-system', 'tidegate');

type Slices = Pick<Snapshot, 'endpointSlices'>;
type Endpoint = readonly [address: string, ready: boolean];

function slices(...lists: readonly (readonly Endpoint[])[]): Slices {
  const entries = lists.map((list, at) => {
    const endpoints = list.map(([address, ready]) => ({ addresses: [address], ready }));
    return [`s${at}`, { service: FRONT, endpoints }];
  });
  return { endpointSlices: new Map(entries as never) };
}

describe('the last replica', () => {
  const table: [what: string, world: Slices, ip: string | null, expected: boolean][] = [
    ['is the one beside which nobody is ready', slices([['10.0.0.1', true]]), '10.0.0.1', true],
    [
      'may itself not be ready any more',
      slices([['10.0.0.1', false]], [['10.0.0.2', false]]),
      '10.0.0.1',
      true,
    ],
    [
      'is not found twice: its IPv6 address is no other replica',
      slices([['10.0.0.1', true]], [['fd00::1', true]]),
      '10.0.0.1',
      true,
    ],
    [
      'is not the one beside which another is',
      slices([['10.0.0.1', true]], [['10.0.0.2', true]]),
      '10.0.0.1',
      false,
    ],
    ['cannot be told without the own address', slices([['10.0.0.1', true]]), null, false],
    ['cannot be told where the endpoints are not read, as with --namespaces', slices(), '10.0.0.1', false],
    ['cannot be told where we are not behind the Service', slices([['10.0.0.9', false]]), '10.0.0.1', false],
  ];
  for (const [what, world, ip, expected] of table) {
    test(what, () => assert.equal(isLastReplica(world, FRONT, ip), expected));
  }
});

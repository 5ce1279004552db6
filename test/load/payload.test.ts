import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PayloadCheck, wholePayload } from './payload.ts';

/** Feeds `body` in pieces of `step` bytes. */
function check(seed: number, body: Buffer, step: number): PayloadCheck {
  const checking = new PayloadCheck(seed);
  for (let at = 0; at < body.length; at += step) checking.add(body.subarray(at, at + step));
  return checking;
}

test('a body is right however it is cut, also beyond the length of the pattern', () => {
  const body = wholePayload(5, 2_500_000);
  for (const step of [1009, 65_536, 2_500_000]) assert.equal(check(5, body, step).verdict(body.length), null);
});

test('a missing, doubled, changed or foreign piece is told', () => {
  const body = wholePayload(5, 300_000);
  const changed = Buffer.from(body);
  changed[200_000]! ^= 1;
  const wrong: readonly [what: string, body: Buffer][] = [
    ['cut off', body.subarray(0, 299_999)],
    ['without a piece', Buffer.concat([body.subarray(0, 100_000), body.subarray(165_536)])],
    ['with a piece twice', Buffer.concat([body.subarray(0, 65_536), body])],
    ['one bit changed', changed],
    ['of another seed', wholePayload(6, 300_000)],
  ];
  for (const [what, bytes] of wrong) assert.notEqual(check(5, bytes, 4096).verdict(300_000), null, what);
});

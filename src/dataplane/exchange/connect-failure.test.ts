import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tlsFault } from '../transport/tls-fault.ts';
import { connectFailure } from './connect-failure.ts';

test('what we have run out of is told from what is wrong with the endpoint, with TLS and without', () => {
  for (const [error, failure] of [
    ['EMFILE', 'out-of-sockets'],
    ['ENFILE', 'out-of-sockets'],
    ['ENOBUFS', 'out-of-sockets'],
    ['ENOMEM', 'out-of-sockets'],
    ['EADDRNOTAVAIL', 'out-of-sockets'],
    ['ECONNREFUSED', 'connect-failed'],
    ['EHOSTUNREACH', 'connect-failed'],
    ['ETIMEDOUT', 'connect-failed'],
  ] as const) {
    assert.equal(connectFailure(error), failure, error);
    assert.equal(connectFailure(tlsFault(error, false)), failure, `${error} below TLS`);
  }
  assert.equal(connectFailure(null), 'connect-failed');
  assert.equal(connectFailure('certificate-expired'), 'certificate-expired');
});

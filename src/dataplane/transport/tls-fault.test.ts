import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tlsFault, tlsFaultOr } from './tls-fault.ts';

test('errors of node:tls are told by what an operator can do about them', () => {
  const table: [code: string, established: boolean, told: string][] = [
    ['CERT_HAS_EXPIRED', false, 'certificate-expired'],
    ['CERT_NOT_YET_VALID', false, 'certificate-expired'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', false, 'certificate-wrong-name'],
    ['SELF_SIGNED_CERT_IN_CHAIN', false, 'certificate-not-trusted'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', false, 'certificate-not-trusted'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', false, 'certificate-not-trusted'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', false, 'certificate-not-trusted'],
    ['CERT_SIGNATURE_FAILURE', false, 'certificate-not-trusted'],
    ['INVALID_PURPOSE', false, 'certificate-not-trusted'],
    ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', false, 'protocol-not-agreed'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', false, 'tls-handshake-failed'],
    ['ECONNRESET', false, 'tls-handshake-failed'],
    ['ECONNREFUSED', false, 'ECONNREFUSED'],
    ['EHOSTUNREACH', false, 'EHOSTUNREACH'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', true, 'tls-refused'],
    ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', true, 'tls-refused'],
    ['ECONNRESET', true, 'ECONNRESET'],
  ];
  for (const [code, established, told] of table) assert.equal(tlsFault(code, established), told, code);
});

test('an error that is no fault of TLS stays what the caller takes it for', () => {
  assert.equal(tlsFaultOr('ECONNRESET', 'closed'), 'closed');
  assert.equal(tlsFaultOr(null, 'connect-failed'), 'connect-failed');
  assert.equal(tlsFaultOr('tls-refused', 'closed'), 'tls-refused');
});

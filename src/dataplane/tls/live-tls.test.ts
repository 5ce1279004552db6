import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SecureContext } from 'node:tls';
import { selfSignedCertificate } from '../../certificates/self-signed.ts';
import { type Certificate, EMPTY_TLS_TABLE, type TlsHost, type TlsTable } from '../../model/certificate.ts';
import { hostname } from '../../model/keys.ts';
import { diffTls } from '../../model/tls-patch.ts';
import type { TlsConfig } from '../config.ts';
import { LiveTls } from './live-tls.ts';
import { TicketKeys } from './ticket-keys.ts';

const CONFIG: TlsConfig = {
  minVersion: 'TLSv1.2',
  ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  ciphersuites: 'TLS_AES_128_GCM_SHA256',
  groups: 'X25519',
  hsts: '',
};
const [A, B, DEFAULT] = [1, 2, 3].map(() => selfSignedCertificate(Date.now())) as [
  Certificate,
  Certificate,
  Certificate,
];

/** A table of hosts and their certificates; '' for the default. */
function tableOf(hosts: Readonly<Record<string, readonly Certificate[]>>): TlsTable {
  const entries = Object.entries(hosts).map(
    ([host, certificates]): TlsHost => ({
      host: hostname(host),
      certificates: certificates.map(({ id }) => id),
      clientAuth: null,
      passthrough: null,
      bare: false,
    }),
  );
  const certificates = Object.values(hosts).flat();
  return {
    tlsHosts: new Map(entries.map((each) => [each.host, each])),
    certificates: new Map(certificates.map((each) => [each.id, each])),
  };
}

function apply(live: LiveTls, from: TlsTable, to: TlsTable): void {
  for (const patch of diffTls(from, to, 1)) live.stage(structuredClone(patch));
  live.commit();
}

function loaded(hosts: Readonly<Record<string, readonly Certificate[]>>): { live: LiveTls; table: TlsTable } {
  const live = new LiveTls(CONFIG, (id, reason) => assert.fail(`${id} ${reason}`));
  const table = tableOf(hosts);
  apply(live, EMPTY_TLS_TABLE, table);
  return { live, table };
}

function contextFor(live: LiveTls, serverName: string, ticketKeyName = ''): SecureContext | undefined {
  return live.choose({ serverName, protocols: [], ticketKeyName })?.context;
}

test('hosts with the same certificates share a context, and others do not', () => {
  const { live } = loaded({ 'a.test': [A], 'b.test': [A], 'c.test': [B], '*.w.test': [], '': [DEFAULT] });
  const a = contextFor(live, 'a.test');
  assert.equal(contextFor(live, 'a.test'), a, 'made once');
  assert.equal(contextFor(live, 'b.test'), a);
  assert.notEqual(contextFor(live, 'c.test'), a);
  const preset = contextFor(live, '');
  for (const name of ['x.w.test', 'nobody.test']) assert.equal(contextFor(live, name), preset, name);
});

test('without a default certificate unknown names get nothing', () => {
  const { live } = loaded({ 'a.test': [A] });
  assert.equal(contextFor(live, 'nobody.test'), undefined);
  assert.equal(contextFor(live, ''), undefined);
});

test('a host is served with TLS when it or the wildcard above it has an entry', () => {
  const { live } = loaded({ 'a.test': [], '*.w.test': [], '': [DEFAULT] });
  const table = { 'a.test': true, 'x.w.test': true, 'x.y.w.test': false, 'w.test': false, '': false };
  for (const [host, expected] of Object.entries(table)) assert.equal(live.hasHost(host), expected, host);
});

test('nothing of a new table counts before it is committed, and then all of it', () => {
  const { live, table } = loaded({ 'a.test': [A], 'b.test': [B], '': [DEFAULT] });
  const [a, preset] = [contextFor(live, 'a.test'), contextFor(live, '')];
  const next = tableOf({ 'a.test': [B], 'c.test': [A], '': [DEFAULT] });
  const patches = diffTls(table, next, 1);
  assert.ok(patches.length > 1);
  for (const patch of patches) live.stage(patch);
  assert.equal(contextFor(live, 'a.test'), a);
  assert.ok(!live.hasHost('c.test'));
  live.commit();
  assert.equal(contextFor(live, 'c.test'), a, 'a context that is still right is kept');
  assert.notEqual(contextFor(live, 'a.test'), a);
  assert.equal(contextFor(live, 'b.test'), preset);
});

test('a certificate that OpenSSL refuses is told, and its hosts get the default one', () => {
  const told: string[] = [];
  const live = new LiveTls(CONFIG, (id) => told.push(id));
  const broken: Certificate = { ...A, privateKey: B.privateKey };
  apply(live, EMPTY_TLS_TABLE, tableOf({ 'a.test': [broken], '': [DEFAULT] }));
  assert.equal(contextFor(live, 'a.test'), contextFor(live, ''));
  contextFor(live, 'a.test');
  assert.deepEqual(told, [A.id], 'once');
});

describe('session tickets', () => {
  test('are opened with the key that made them for two rotations, and then no longer', () => {
    const { live } = loaded({ '': [DEFAULT] });
    const spread = (texts: readonly string[]): void =>
      live.setTicketKeys(texts.map((text) => Buffer.from(text, 'base64')));
    const keys = new TicketKeys(spread);
    spread(keys.current);
    const nameOfFirst = Buffer.from(keys.current[0]!, 'base64').latin1Slice(0, 16);
    assert.equal(contextFor(live, '', nameOfFirst), contextFor(live, ''), 'it is the newest');
    for (let rotation = 1; rotation <= 2; rotation++) {
      keys.rotate();
      const old = contextFor(live, '', nameOfFirst);
      assert.notEqual(old, contextFor(live, ''), `rotation ${rotation}: another key makes new tickets`);
      assert.equal(contextFor(live, '', nameOfFirst), old);
      assert.equal(contextFor(live, '', 'of somebody else'), contextFor(live, ''));
    }
    keys.rotate();
    assert.equal(contextFor(live, '', nameOfFirst), contextFor(live, ''), 'a full handshake');
  });

  test('keys are 48 bytes, three at most, all different', () => {
    const keys = new TicketKeys(() => {});
    for (let rotation = 0; rotation < 5; rotation++) keys.rotate();
    assert.equal(new Set(keys.current).size, 3);
    for (const key of keys.current) assert.equal(Buffer.from(key, 'base64').length, 48);
  });
});

test('a bare entry keeps a wildcard off, and is else as good as none', () => {
  const table = tableOf({ '*.w.test': [A], '': [DEFAULT] });
  const bare: TlsHost = {
    host: hostname('a.w.test'),
    certificates: [],
    clientAuth: null,
    passthrough: null,
    bare: true,
  };
  const shielded = { ...table, tlsHosts: new Map([...table.tlsHosts, [bare.host, bare]]) };
  const live = new LiveTls(CONFIG, (id, reason) => assert.fail(`${id} ${reason}`));
  apply(live, EMPTY_TLS_TABLE, shielded);
  assert.deepEqual([live.hasHost('a.w.test'), live.hasHost('b.w.test')], [false, true]);
  assert.equal(contextFor(live, 'a.w.test'), contextFor(live, 'nobody.test'));
  assert.equal(live.termsOf('a.w.test'), live.termsOf('nobody.test'));
  assert.notEqual(contextFor(live, 'a.w.test'), contextFor(live, 'b.w.test'));
});

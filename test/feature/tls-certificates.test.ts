/** Which certificate a client is shown, and how certificates change while the program runs. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { issue, type TestCertificate, tlsSecret, withTls } from '../kit/certificates.ts';
import { startEchoBackend } from '../kit/echo-backend.ts';
import { statusOf } from '../kit/http-message.ts';
import { type KubeObject, routeAll } from '../kit/manifests.ts';
import { connectTls, shown, startHttps } from '../kit/tls.ts';
import { eventually } from '../kit/waiting.ts';

const scope = { after };
const GET = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

/** Routes a host to a port and names these certificates for it, by the names of their Secrets. */
function tlsHost(
  host: string,
  port: number,
  certificates: Readonly<Record<string, TestCertificate>>,
): KubeObject[] {
  const [object, ...others] = routeAll(host, port);
  const tls = Object.keys(certificates).map((secretName) => ({ hosts: [host], secretName }));
  const secrets = Object.entries(certificates).map(([name, certificate]) => tlsSecret(name, certificate));
  return [withTls(object!, tls), ...others, ...secrets];
}

describe('the certificate is chosen by the name that the client asks for', async () => {
  const exact = issue({ names: ['a.test'] });
  const wildcard = issue({ names: ['*.w.test', 'w.test'] });
  const exactBelow = issue({ names: ['own.w.test'] });
  const preset = issue({ names: ['default.test'] });
  const backend = await startEchoBackend(scope, 'web');
  const proxy = await startHttps(scope, {
    manifests: [
      ...tlsHost('a.test', backend.port, { exact }),
      ...tlsHost('*.w.test', backend.port, { wildcard }),
      ...tlsHost('own.w.test', backend.port, { below: exactBelow }),
      tlsSecret('preset', preset),
    ],
    args: ['--default-certificate', 'default/preset'],
  });

  const table: readonly [what: string, servername: string, expected: TestCertificate][] = [
    ['a name of its own', 'a.test', exact],
    ['the same name in capitals', 'A.TEST', exact],
    ['a name below a wildcard', 'x.w.test', wildcard],
    ['a name of its own below a wildcard', 'own.w.test', exactBelow],
    ['two labels below a wildcard', 'x.y.w.test', preset],
    ['the name of a wildcard without its label, in no rule', 'w.test', preset],
    ['an unknown name', 'nobody.test', preset],
    ['no name', '', preset],
  ];
  for (const [what, servername, expected] of table) {
    test(what, async () => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const options = { servername, minVersion: version, maxVersion: version };
        assert.equal(await shown(scope, proxy.https, options), expected.fingerprint, version);
      }
    });
  }

  test('requests go through, and the host of the request decides about its route', async () => {
    const client = await connectTls(scope, proxy.https, { servername: 'a.test' });
    client.send(GET('a.test'));
    assert.equal(statusOf(await client.response()), 200);
    client.send(GET('nobody.test'));
    assert.equal(statusOf(await client.response()), 404);
  });

  test('no key and no certificate is in the dump, the log or the metrics', async () => {
    const texts = [
      (await proxy.get('/config')).text,
      (await proxy.get('/metrics')).text,
      JSON.stringify(proxy.log),
    ];
    for (const text of texts) {
      assert.doesNotMatch(text, /BEGIN|PRIVATE/);
      for (const { key, certificate } of [exact, wildcard, preset]) {
        assert.ok(!text.includes(key.slice(60, 100)) && !text.includes(certificate.slice(60, 100)));
      }
    }
  });
});

test('without a default certificate a self-signed one is shown', async (t) => {
  const proxy = await startHttps(t, { manifests: routeAll('a.test', 1) });
  const client = await connectTls(t, proxy.https, { servername: 'a.test' });
  assert.equal(client.socket.getPeerCertificate().subject.CN, 'Tidegate default certificate');
});

test('of RSA and ECDSA for one name each client gets what it can verify', async (t) => {
  const rsa = issue({ names: ['a.test'], keyType: 'rsa' });
  const ec = issue({ names: ['a.test'] });
  const proxy = await startHttps(t, { manifests: tlsHost('a.test', 1, { rsa, ec }) });
  const table: readonly [options: ConnectionOptions, expected: TestCertificate][] = [
    [{ sigalgs: 'rsa_pss_rsae_sha256' }, rsa],
    [{ sigalgs: 'ecdsa_secp256r1_sha256' }, ec],
    [{ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, rsa],
    [{ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }, ec],
  ];
  for (const [options, expected] of table) {
    const fingerprint = await shown(t, proxy.https, { servername: 'a.test', ...options });
    assert.equal(fingerprint, expected.fingerprint, JSON.stringify(options));
  }
});

test('a chain out of order is sent in order, without what does not belong to it', async (t) => {
  const root = issue({ names: ['Test root'], usage: 'authority' });
  const middle = issue({ names: ['Test middle'], usage: 'authority', issuer: root });
  const leaf = issue({ names: ['a.test'], issuer: middle });
  const stranger = issue({ names: ['stranger'], usage: 'authority' });
  const shuffled = {
    certificate: stranger.certificate + middle.certificate + leaf.certificate,
    key: leaf.key,
  };
  const [object, ...others] = routeAll('a.test', 1);
  const proxy = await startHttps(t, {
    manifests: [
      withTls(object!, [{ hosts: ['a.test'], secretName: 's' }]),
      ...others,
      tlsSecret('s', shuffled),
    ],
  });
  const trusting = { servername: 'a.test', ca: root.certificate, rejectUnauthorized: true };
  const client = await connectTls(t, proxy.https, trusting);
  const peer = client.socket.getPeerCertificate(true);
  assert.equal(peer.fingerprint256, leaf.fingerprint);
  assert.equal(peer.issuerCertificate.fingerprint256, middle.fingerprint);
});

test('a new certificate is shown to new clients, and open connections go on', async (t) => {
  const [first, second] = [issue({ names: ['a.test'] }), issue({ names: ['a.test'] })];
  const backend = await startEchoBackend(t, 'web');
  const manifests = (certificate: TestCertificate) => tlsHost('a.test', backend.port, { s: certificate });
  const proxy = await startHttps(t, { manifests: manifests(first), workers: 2 });
  const open = await connectTls(t, proxy.https, { servername: 'a.test' });
  open.send(GET('a.test'));
  assert.equal(statusOf(await open.response()), 200);
  assert.equal(open.socket.getPeerCertificate().fingerprint256, first.fingerprint);

  await proxy.change('all.yaml', manifests(second));
  for (let round = 0; round < 6; round++) {
    assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), second.fingerprint);
  }
  open.send(GET('a.test'));
  assert.equal(statusOf(await open.response()), 200);
});

test('a session from before the change still works', async (t) => {
  const [first, second] = [issue({ names: ['a.test'] }), issue({ names: ['a.test'] })];
  const backend = await startEchoBackend(t, 'web');
  const proxy = await startHttps(t, { manifests: tlsHost('a.test', backend.port, { s: first }) });
  const client = await connectTls(t, proxy.https, { servername: 'a.test' });
  const session = new Promise<Buffer>((resolve) => client.socket.once('session', resolve));
  client.send(GET('a.test'));
  await client.response();
  await proxy.change('all.yaml', tlsHost('a.test', backend.port, { s: second }));
  const again = await connectTls(t, proxy.https, { servername: 'a.test', session: await session });
  again.send(GET('a.test'));
  assert.equal(statusOf(await again.response()), 200);
});

test('a Secret that breaks or goes leaves the last good certificate, for all other hosts theirs', async (t) => {
  const good = issue({ names: ['a.test'] });
  const other = issue({ names: ['b.test'] });
  const rest = tlsHost('b.test', 1, { other });
  const proxy = await startHttps(t, { manifests: [...tlsHost('a.test', 1, { good }), ...rest] });
  const withoutSecret = tlsHost('a.test', 1, { good }).slice(0, -1);

  const broken = { ...good, certificate: other.certificate };
  await proxy.folder.write('all.yaml', [...withoutSecret, tlsSecret('good', broken), ...rest]);
  await proxy.logged('the mismatch', (line) => /tls\.key that does not fit/.test(String(line['msg'])));
  assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), good.fingerprint);

  await proxy.folder.write('all.yaml', [...withoutSecret, ...rest]);
  const gone = /there is no Secret default\/good; the last good certificate is still used/;
  await proxy.logged('the missing Secret', (line) => gone.test(String(line['msg'])));
  assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), good.fingerprint);
  assert.equal(await shown(t, proxy.https, { servername: 'b.test' }), other.fingerprint);

  const mended = issue({ names: ['a.test'] });
  await proxy.change('all.yaml', [...tlsHost('a.test', 1, { good: mended }), ...rest]);
  await eventually(async () => {
    assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), mended.fingerprint);
  });
});

test('the certificate of a stranger does not stand in for the one of the older Ingress', async (t) => {
  const owner = issue({ names: ['a.test'], keyType: 'rsa' });
  const stranger = issue({ names: ['a.test'] });
  const moved = tlsHost('a.test', 1, { s: stranger }).map((object) => ({
    ...object,
    metadata: { ...(object['metadata'] as object), namespace: 'stranger' },
  }));
  const proxy = await startHttps(t, { manifests: [...tlsHost('a.test', 1, { s: owner }), ...moved] });
  assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), owner.fingerprint);
  await assert.rejects(
    connectTls(t, proxy.https, { servername: 'a.test', sigalgs: 'ecdsa_secp256r1_sha256' }),
    'a client that cannot verify RSA is not given the ECDSA certificate of another namespace',
  );
});

test('a default certificate that is missing is reported, and replaced by a self-signed one', async (t) => {
  const args = ['--default-certificate', 'default/preset'];
  const proxy = await startHttps(t, { manifests: routeAll('a.test', 1), args });
  await proxy.logged('the problem', (line) => /there is no Secret default\/preset/.test(String(line['msg'])));
  const client = await connectTls(t, proxy.https);
  assert.equal(client.socket.getPeerCertificate().subject.CN, 'Tidegate default certificate');
  client.close();
  const preset = issue({ names: ['default.test'] });
  await proxy.change('preset.yaml', [tlsSecret('preset', preset)]);
  assert.equal(await shown(t, proxy.https), preset.fingerprint);
});

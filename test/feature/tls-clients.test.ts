/** TLS clients that we did not write: openssl s_client, curl and testssl.sh. */
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { ingress, service } from '../kit/manifests.ts';
import { answer, startRawBackend } from '../kit/raw-backend.ts';
import { startHttps } from '../kit/tls.ts';

const scope = { after };

/** Why tests with this program are skipped; false when it is there. */
const missing = (program: string): string | false =>
  spawnSync('sh', ['-c', `command -v ${program}`]).status === 0 ? false : `${program} is not installed`;

const names = ['localhost', 'both.test'];
// Long enough for testssl.sh not to warn of their end.
const rsa = issue({ names, keyType: 'rsa', toDays: 90 });
const ec = issue({ names, toDays: 90 });
const backend = await startRawBackend(scope);
backend.behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
const site = (host: string) =>
  withTls(ingress(host.replace('.', '-'), host, [{ path: '/', service: 'web' }]), [
    { hosts: [host], secretName: 'rsa' },
    { hosts: [host], secretName: 'ec' },
  ]);
const proxy = await startHttps(scope, {
  manifests: [
    site('localhost'),
    site('both.test'),
    tlsSecret('rsa', rsa),
    tlsSecret('ec', ec),
    ...service('web', [backend.port]),
  ],
});

/** What a program prints, on both ways, and its exit code. */
async function output(
  program: string,
  args: readonly string[],
  input = '',
): Promise<{ text: string; code: number | null }> {
  const child = spawn(program, args, { timeout: 30_000 });
  let text = '';
  const collect = (bytes: Buffer): void => {
    text += bytes.toString('latin1');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { text, code };
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: both.test\r\nConnection: close\r\n\r\n';
/** s_client to the end of the answer to one request. */
const sClient = (...args: string[]) =>
  output(
    'openssl',
    ['s_client', '-connect', `127.0.0.1:${proxy.https}`, '-servername', 'both.test', '-ign_eof', ...args],
    REQUEST,
  );

describe('openssl s_client', { skip: missing('openssl') }, () => {
  test('speaks TLS 1.2 and 1.3, and nothing older', async () => {
    for (const [flag, version] of [
      ['-tls1_2', 'TLSv1.2'],
      ['-tls1_3', 'TLSv1.3'],
    ] as const) {
      const { text } = await sClient(flag);
      assert.match(text, new RegExp(`New, ${version}, Cipher is `));
      assert.match(text, /HTTP\/1\.1 200/);
    }
    for (const flag of ['-tls1', '-tls1_1']) {
      // Its own security level would refuse before anything is sent.
      const { text } = await sClient(flag, '-cipher', 'ALL@SECLEVEL=0');
      assert.match(text, /Cipher is \(NONE\)/);
    }
  });

  const SUITES: readonly [suite: string, key: 'RSA' | 'ECDSA' | null][] = [
    ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDSA'],
    ['ECDHE-RSA-AES256-GCM-SHA384', 'RSA'],
    ['ECDHE-RSA-CHACHA20-POLY1305', 'RSA'],
    ['AES128-SHA', null],
    ['ECDHE-RSA-AES128-SHA', null],
    ['DHE-RSA-AES128-GCM-SHA256', null],
  ];
  for (const [suite, key] of SUITES) {
    test(`with TLS 1.2 and only ${suite} it ${key === null ? 'is refused' : `gets the ${key} certificate`}`, async () => {
      const { text } = await sClient('-tls1_2', '-cipher', suite);
      if (key === null) return assert.match(text, /Cipher is \(NONE\)/);
      assert.ok(text.includes(`Cipher is ${suite}`), text);
      assert.match(text, /HTTP\/1\.1 200/);
      const server = text.slice(text.indexOf('BEGIN CERTIFICATE'), text.indexOf('END CERTIFICATE'));
      const expected = key === 'RSA' ? rsa : ec;
      assert.ok(expected.certificate.includes(server.split('\n')[1]!), `the ${key} certificate`);
    });
  }

  test('chooses between RSA and ECDSA by what it says it can verify', async () => {
    for (const [algorithms, expected] of [
      ['ECDSA+SHA256', ec],
      ['RSA-PSS+SHA256', rsa],
    ] as const) {
      const { text } = await sClient('-tls1_3', '-sigalgs', algorithms);
      const line = text.slice(text.indexOf('BEGIN CERTIFICATE')).split('\n')[1]!;
      assert.ok(expected.certificate.includes(line), algorithms);
    }
  });

  test('gets one ticket after a full handshake with TLS 1.3, and resumes with it', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'tidegate-test-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    for (const version of ['-tls1_3', '-tls1_2']) {
      const file = join(folder, version);
      const first = await sClient(version, '-sess_out', file);
      assert.match(first.text, /^New, /m);
      if (version === '-tls1_3') assert.equal(first.text.match(/New Session Ticket arrived/g)?.length, 1);
      const second = await sClient(version, '-sess_in', file);
      assert.match(second.text, /^Reused, /m);
      assert.match(second.text, /HTTP\/1\.1 200/);
    }
  });

  test('negotiates h2, http/1.1, or nothing', async () => {
    assert.match((await sClient('-alpn', 'h2,http/1.1')).text, /ALPN protocol: h2/);
    assert.match((await sClient('-alpn', 'http/1.1')).text, /ALPN protocol: http\/1\.1/);
    assert.match((await sClient()).text, /No ALPN negotiated/);
    assert.match((await sClient('-alpn', 'spdy/1')).text, /no application protocol/i);
  });

  test('a name that is nobody’s gets the default certificate, and renegotiation is refused', async () => {
    const { text } = await output(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${proxy.https}`, '-servername', 'nobody.test', '-ign_eof'],
      REQUEST,
    );
    const line = text.slice(text.indexOf('BEGIN CERTIFICATE')).split('\n')[1]!;
    assert.ok(line.length > 0 && !ec.certificate.includes(line) && !rsa.certificate.includes(line));
    const again = await output(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${proxy.https}`, '-servername', 'both.test', '-tls1_2'],
      'R\n',
    );
    assert.match(again.text, /no renegotiation|RENEGOTIATING[\s\S]*error/i);
  });
});

describe('curl', { skip: missing('curl') }, () => {
  const curl = (...args: string[]) => {
    const address = `both.test:${proxy.https}:127.0.0.1`;
    const url = `https://both.test:${proxy.https}/`;
    return output('curl', [
      '-sS',
      '-k',
      '-m',
      '20',
      '--resolve',
      address,
      '-w',
      ' %{http_version} %{http_code}',
      ...args,
      url,
    ]);
  };
  test('speaks HTTP/2 and HTTP/1.1', async () => {
    assert.equal((await curl('--http2')).text, 'hello 2 200');
    assert.equal((await curl('--http1.1')).text, 'hello 1.1 200');
    assert.equal((await curl('--no-alpn')).text, 'hello 1.1 200');
  });
  test('speaks TLS 1.2 as well as 1.3', async () => {
    assert.equal((await curl('--tls-max', '1.2')).text, 'hello 2 200');
    assert.equal((await curl('--tlsv1.3')).text, 'hello 2 200');
    assert.notEqual((await curl('--tls-max', '1.1')).code, 0);
  });
});

describe('testssl.sh', { skip: missing('testssl') }, () => {
  /** What is found because nobody has signed the certificate of a test, or because OpenSSL 3 lacks an old engine. */
  const EXPECTED = new Set([
    'cert_chain_of_trust',
    'cert_revocation',
    'cert_trust',
    'engine_problem',
    'DNS_CAArecord',
  ]);
  const FINE = new Set(['OK', 'INFO', 'LOW', 'WARN']);

  test('finds nothing above LOW with the defaults', { timeout: 300_000 }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'tidegate-test-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'findings.json');
    // Protocols, forward secrecy, server preferences, certificates, and the known attacks that need no minutes.
    const checks = [
      '-p',
      '-P',
      '-s',
      '-f',
      '-S',
      '-H',
      '-I',
      '-T',
      '-BB',
      '-R',
      '-C',
      '-O',
      '-W',
      '-F',
      '-J',
      '-D',
      '-A',
      '-L',
    ];
    const args = [
      '--quiet',
      '--color',
      '0',
      '--warnings',
      'off',
      '--ip',
      'one',
      '--jsonfile',
      file,
      ...checks,
    ];
    const env = { ...process.env, HEARTBLEED_MAX_WAITSOCK: '2', CCS_MAX_WAITSOCK: '2' };
    await new Promise((resolve) => {
      execFile('testssl', [...args, `localhost:${proxy.https}`], { env, timeout: 280_000 }, resolve);
    });
    interface Finding {
      readonly id: string;
      readonly severity: string;
      readonly finding: string;
    }
    const findings = JSON.parse(await readFile(file, 'utf8')) as readonly Finding[];
    const severe = findings.filter(
      ({ id, severity }) => !FINE.has(severity) && !EXPECTED.has(id.split(' ')[0]!),
    );
    assert.deepEqual(severe, []);
    const ids = new Set(findings.map(({ id }) => id));
    for (const id of ['TLS1_2', 'TLS1_3', 'cipher_order', 'ROBOT', 'LUCKY13'])
      assert.ok(ids.has(id), `${id} was checked: ${[...ids].join(' ')}`);
  });
});

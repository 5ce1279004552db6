/** `tidegate explain`: the story of one request. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ingress, type KubeObject, makeManifestFolder, service } from '../kit/manifests.ts';
import { runTidegate } from '../kit/run-tidegate.ts';
import type { Scope } from '../kit/waiting.ts';

const SHOP: readonly KubeObject[] = [
  ingress('shop', 'shop.example.com', [
    { path: '/', service: 'web' },
    { path: '/cart', service: 'cart' },
  ]),
  ingress('old', 'shop.example.com', [{ path: '/gone', service: 'gone' }]),
  ...service('web', [8081], '10.0.0.1'),
  ...service('cart', [8082, 8083], '10.0.0.2'),
];

async function explained(scope: Scope, ...args: string[]): Promise<{ code: number | null; stdout: string }> {
  const folder = await makeManifestFolder(scope);
  await folder.write('all.yaml', SHOP);
  const { code, stdout, stderr } = await runTidegate(['explain', ...args, '--manifests', folder.path]);
  assert.equal(stderr, '');
  return { code, stdout };
}

test('a request that is forwarded is told from listener to endpoints', async (t) => {
  const { code, stdout } = await explained(t, 'http://Shop.example.com/cart/7?x=1');
  assert.equal(
    stdout,
    `GET http://Shop.example.com/cart/7

Listener  http on 127.0.0.1:8080: listens for http
Host      shop.example.com
          + shop.example.com: is the same
Path      /cart/7
          + prefix /cart (Ingress default/shop): the longest path that matches
          - prefix / (Ingress default/shop): matches, but a longer or exact path does too
          - prefix /gone (Ingress default/old): is not a prefix
Route     Ingress default/shop, spec.rules[0].http.paths[1]
Policy    request body of any size
          timeouts connect 2s, response 1m, send 30s
          2 retries
Upstream  Service default/cart:80, http1, round-robin, endpoints:
            10.0.0.2:8082
            10.0.0.2:8083
Result    forwarded to one of 2 endpoints of default/cart:80
`,
  );
  assert.equal(code, 0);
});

test('a request that is not forwarded is told with the reason, and the exit code is 1', async (t) => {
  const { code, stdout } = await explained(t, 'http://shop.example.com/gone');
  assert.match(stdout, /^Result {4}answered with 503: .*default\/gone/m);
  assert.match(stdout, /^Problems .*ServiceNotFound/m);
  assert.equal(code, 1);
  assert.doesNotMatch(stdout, /^Note/m);
  const unknown = await explained(t, 'http://other.example.com/');
  assert.match(unknown.stdout, /^Result {4}answered with 404: no route is for host "other\.example\.com"$/m);
  assert.equal(unknown.code, 1);
});

test('the scheme may be left out, and Host may be given as a header', async (t) => {
  assert.match((await explained(t, 'shop.example.com/cart')).stdout, /^Result {4}forwarded/m);
  const { stdout } = await explained(t, 'http://192.0.2.1/cart', '--header', 'host: shop.example.com');
  assert.match(stdout, /^Result {4}forwarded/m);
});

test('a path that is refused is told as such', async (t) => {
  const { code, stdout } = await explained(t, 'shop.example.com/../x');
  assert.match(stdout, /^Result {4}answered with 400/m);
  assert.equal(code, 1);
});

test('a path is told in both forms when they differ', async (t) => {
  const { stdout } = await explained(t, 'shop.example.com//c%61rt');
  assert.match(stdout, /^Path {6}\/\/c%61rt, looked up as \/cart$/m);
});

test('--output json gives the explanation as it is', async (t) => {
  const { code, stdout } = await explained(t, 'shop.example.com/cart', '--output', 'json');
  const { outcome, host } = JSON.parse(stdout);
  assert.equal(host, 'shop.example.com');
  assert.equal(outcome.kind, 'forwarded');
  assert.equal(outcome.upstream.endpoints.length, 2);
  assert.equal(code, 0);
});

describe('called wrongly, it ends with exit code 2 and a message:', () => {
  const cases: readonly [what: string, args: readonly string[], message: RegExp][] = [
    ['no folder', ['http://a/'], /required option '--manifests <DIR>' not specified/],
    [
      'a folder that is not there',
      ['http://a/', '--manifests', '/does/not/exist'],
      /^tidegate: \/does\/not\/exist cannot be read/,
    ],
    ['a URL with a space', ['a/b c', '--manifests', '.'], /^tidegate: "a\/b c" is not a URL/],
    ['a URL of another scheme', ['ftp://a/', '--manifests', '.'], /^tidegate: "ftp:\/\/a\/" is not a URL/],
    [
      'a header without a colon',
      ['http://a/', '--manifests', '.', '--header', 'Host'],
      /^tidegate: --header: "Host" is not valid/,
    ],
  ];
  for (const [what, args, message] of cases) {
    test(what, async () => {
      const { code, stderr } = await runTidegate(['explain', ...args]);
      assert.match(stderr, message);
      assert.equal(code, 2);
    });
  }
});

test('a host whose TLS is passed through is told so', async (t) => {
  const folder = await makeManifestFolder(t);
  const object = ingress('pass', 'pass.test', [{ path: '/', service: 'web' }]);
  const annotations = { 'nginx.ingress.kubernetes.io/ssl-passthrough': 'true' };
  const metadata = { ...(object['metadata'] as object), annotations };
  await folder.write('all.yaml', [{ ...object, metadata }, ...service('web', [8443], '10.0.0.1')]);
  const { code, stdout } = await runTidegate(['explain', 'https://pass.test/x', '--manifests', folder.path]);
  assert.match(stdout, /Listener {2}https on 127.0.0.1:8443/);
  assert.match(
    stdout,
    /Result {4}host "pass.test" has ssl-passthrough: its TLS is passed through to an endpoint of/,
  );
  assert.match(stdout, /10.0.0.1:8443/);
  assert.equal(code, 0);
});

test('what is served over TLS only is told with where it is sent', async (t) => {
  const folder = await makeManifestFolder(t);
  const shop = ingress('shop', 'shop.test', [{ path: '/', service: 'web' }]);
  const annotations = { 'nginx.ingress.kubernetes.io/force-ssl-redirect': 'true' };
  await folder.write('all.yaml', [
    { ...shop, metadata: { name: 'shop', namespace: 'default', annotations } },
    ...service('web', [8081], '10.0.0.1'),
  ]);
  const args = ['--manifests', folder.path];
  const inClear = await runTidegate(['explain', 'http://shop.test/cart', ...args]);
  assert.match(inClear.stdout, /^Result {4}redirected to https:\/\/shop\.test\/cart with 308: .* over TLS$/m);
  assert.equal(inClear.code, 0);
  const overTls = await runTidegate(['explain', 'https://shop.test/cart', ...args]);
  assert.match(overTls.stdout, /^Result {4}forwarded/m);
});

test('an Ingress of another class, and problems that are not shown, are noted', async (t) => {
  const folder = await makeManifestFolder(t);
  const other = ingress('other', 'shop.test', [{ path: '/', service: 'web' }]);
  const spec = other['spec'] as KubeObject;
  await folder.write('all.yaml', [
    { ...other, spec: { ...spec, ingressClassName: 'nginx' } },
    ingress('broken', 'shop.test', [{ path: 'no-slash', service: 'web' }]),
  ]);
  const { stdout } = await runTidegate(['explain', 'http://shop.test/', '--manifests', folder.path]);
  assert.match(
    stdout,
    /^Note {6}Ingress default\/other has a rule for this host, but no class of ours: it is ignored\n +there are 2 problems elsewhere: see tidegate check$/m,
  );
});

/** A real browser: headless Chromium loads a page with many resources over HTTP/2 through Tidegate. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { ingress, service } from '../kit/manifests.ts';
import { startHttps } from '../kit/tls.ts';

const scope = { after };
const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0,
);

const IMAGES = 60;
const SCRIPTS = 20;
const FETCHES = 20;
/** The smallest image there is. */
const PIXEL = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at);

/** Loads everything, then says in its title what it got; `dump-dom` waits for `load`, which the last image holds back. */
const PAGE = `<!doctype html><title>waiting</title><link rel="stylesheet" href="/style.css"><body>
${numbers(IMAGES)
  .map((n) => `<img src="/image/${n}.gif">`)
  .join('')}
<script>window.scripts = 0;</script>
${numbers(SCRIPTS)
  .map((n) => `<script src="/script/${n}.js"></script>`)
  .join('')}
<script>
const fetched = Promise.all(${JSON.stringify(numbers(FETCHES))}.map(async (n) => {
  const response = await fetch('/echo/' + n, { method: 'POST', body: 'x'.repeat(1000 * n) });
  return (await response.text()) === String(1000 * n);
})).then((all) => all.filter(Boolean).length);
const socket = new Promise((resolve) => {
  const ws = new WebSocket('wss://' + location.host + '/socket');
  ws.onopen = () => ws.send('hello');
  ws.onmessage = ({ data }) => { ws.close(); resolve(data); };
  ws.onerror = () => resolve('error');
});
const events = new Promise((resolve) => {
  const got = [];
  const source = new EventSource('/events');
  source.onmessage = ({ data }) => {
    got.push(data);
    if (got.length < 3) return void fetch('/next-event', { method: 'POST' });
    source.close();
    resolve(got.join());
  };
  source.onerror = () => { source.close(); resolve('error'); };
});
Promise.all([fetched, socket, events]).then(([fetches, message, list]) => {
  const entries = performance.getEntriesByType('resource');
  const images = [...document.images].filter((each) => each.complete && each.naturalWidth > 0).length;
  const protocols = [...new Set(entries.map((each) => each.nextHopProtocol))].filter(Boolean).join();
  const style = getComputedStyle(document.body).color === 'rgb(1, 2, 3)';
  const result = { fetches, message, events: list, scripts: window.scripts, protocols, style };
  const report = (count) => fetch('/report', { method: 'POST', body: JSON.stringify({ ...result, images: count }) });
  if (document.readyState === 'complete') report(images);
  else addEventListener('load', () => report([...document.images].filter((each) => each.naturalWidth > 0).length));
});
</script>`;

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const bytes of request) text += String(bytes);
  return text;
}

interface Report {
  readonly [field: string]: unknown;
}

/** Serves the page and all that it asks for; `report` resolves with what the page says it got. */
async function startSite(): Promise<{ port: number; report: Promise<Report>; asked: Set<string> }> {
  const { promise, resolve } = Promise.withResolvers<Report>();
  const asked = new Set<string>();
  let events: ServerResponse | null = null;
  let sent = 0;
  const nextEvent = (): void => void events?.write(`data: ${++sent}\n\n`);
  const server = createServer(async (request, response) => {
    const { url = '' } = request;
    asked.add(url);
    const send = (type: string, body: string | Buffer): void => {
      response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    };
    if (url === '/') return send('text/html', PAGE);
    if (url === '/style.css') return send('text/css', 'body { color: rgb(1, 2, 3) }');
    if (url.startsWith('/image/')) return send('image/gif', PIXEL);
    if (url.startsWith('/script/')) return send('text/javascript', 'window.scripts++;');
    if (url.startsWith('/echo/')) return send('text/plain', String((await bodyOf(request)).length));
    if (url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      events = response;
      return nextEvent();
    }
    if (url === '/next-event') nextEvent();
    if (url === '/report') resolve(JSON.parse(await bodyOf(request)) as Report);
    response.writeHead(204).end();
  });
  const sockets = new WebSocketServer({ server, path: '/socket' });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`${String(data)} to you`)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.after(() => {
    sockets.close();
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, report: promise, asked };
}

test('Chromium loads a page with a hundred resources, fetches, a WebSocket and an EventSource over HTTP/2', {
  skip: chromium === undefined ? 'chromium is not installed' : false,
  timeout: 120_000,
}, async (t) => {
  const site = await startSite();
  const certificate = issue({ names: ['site.test'] });
  const proxy = await startHttps(t, {
    manifests: [
      withTls(ingress('site', 'site.test', [{ path: '/', service: 'web' }]), [
        { hosts: ['site.test'], secretName: 'site' },
      ]),
      tlsSecret('site', certificate),
      ...service('web', [site.port]),
    ],
  });
  const profile = await mkdtemp(join(tmpdir(), 'tidegate-chromium-'));
  const spki = new X509Certificate(certificate.certificate).publicKey.export({ type: 'spki', format: 'der' });
  const browser = spawn(
    chromium!,
    [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      `--user-data-dir=${profile}`,
      `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`,
      `--host-resolver-rules=MAP site.test 127.0.0.1:${proxy.https}`,
      '--remote-debugging-port=0',
      'https://site.test/',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  let complaints = '';
  browser.stderr.on('data', (bytes: Buffer) => {
    complaints = (complaints + String(bytes)).slice(-4000);
  });
  const ended = once(browser, 'exit');
  t.after(async () => {
    // Chromium is many processes, in a group of their own.
    if (browser.exitCode === null) process.kill(-browser.pid!, 'SIGKILL');
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  const early = ended.then(() => Promise.reject(new Error(`Chromium ended by itself: ${complaints}`)));
  early.catch(() => {});
  const report = await Promise.race([site.report, early]);
  assert.deepEqual(report, {
    fetches: FETCHES,
    message: 'hello to you',
    events: '1,2,3',
    scripts: SCRIPTS,
    images: IMAGES,
    protocols: 'h2',
    style: true,
  });
  assert.ok(site.asked.size >= IMAGES + SCRIPTS + FETCHES + 3, `${site.asked.size} resources were asked for`);
});

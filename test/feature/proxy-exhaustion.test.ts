/** What Tidegate itself has run out of is not its backends' fault. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { statusOf } from '../kit/http-message.ts';
import { assertOwnAnswer, type Http1Fixture, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { eventually } from '../kit/waiting.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
/** More than put a failing endpoint out of service. */
const MANY = 10;

const skip =
  process.platform !== 'linux' || spawnSync('prlimit', ['--version']).status !== 0
    ? 'needs prlimit (util-linux)'
    : false;

function prlimit(pid: number, limit: string): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:`]);
  assert.equal(status, 0, stderr.toString());
}

/** Lets the program open no further descriptor until the function that it gives is called. */
function takeDescriptors(pid: number): () => void {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let lowestFree = 0;
  while (open.has(lowestFree)) lowestFree++;
  prlimit(pid, String(lowestFree));
  return () => prlimit(pid, '4096');
}

async function metric(fixture: Http1Fixture, name: string): Promise<number> {
  const { text } = await fixture.proxy.get('/metrics');
  const line = text.split('\n').find((one) => one.startsWith(`tidegate_${name} `));
  return Number(line?.split(' ')[1] ?? 0);
}

describe('without a descriptor for another connection to an endpoint', { skip }, () => {
  async function exhausted(t: TestContext): Promise<Http1Fixture> {
    const fixture = await startHttp1Fixture(t, { args: ['--access-log', 'json'] });
    const client = await fixture.connect();
    // Answered here: the connection stands, and none to the backend.
    client.send(GET.replace('Host: h', 'Host: other'));
    assert.equal(statusOf(await client.response()), 404);
    const giveBack = takeDescriptors(fixture.proxy.pid);
    for (let i = 0; i < MANY; i++) {
      client.send(GET);
      assertOwnAnswer(await client.response(), [503]);
    }
    giveBack();
    return fixture;
  }

  test('requests get 503, and the log says that it was us', async (t) => {
    const fixture = await exhausted(t);
    await fixture.proxy.logged(
      'the refusal',
      ({ status, reason }) => status === 503 && reason === 'out-of-sockets',
    );
    await eventually(async () =>
      assert.ok((await metric(fixture, 'limit_hits_total{limit="sockets"}')) >= MANY),
    );
  });

  test('the endpoint stays in service', async (t) => {
    const fixture = await exhausted(t);
    const client = await fixture.connect();
    client.send(GET);
    assert.equal(statusOf(await client.response()), 200);
    assert.equal(await metric(fixture, 'upstream_ejections_total'), 0);
  });
});

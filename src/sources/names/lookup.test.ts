import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { type Answer, createLookup } from './lookup.ts';
import { NameResolver } from './resolver.ts';

type Zone = Record<
  string,
  { a?: string[]; aaaa?: string[]; ttl?: number; rcode?: number } | 'silent' | 'malformed'
>;

const RCODE = { ok: 0, serverFailure: 2, noSuchName: 3 };

/** A DNS server of a dozen lines: answers A and AAAA questions from a table that tests change. */
async function startDns(zone: Zone) {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, peer) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join('.').toLowerCase();
    const type = query.readUInt16BE(at + 1) === 28 ? 'AAAA' : 'A';
    asked.push(`${type} ${name}`);
    const entry = zone[name];
    if (entry === 'silent') return;
    if (entry === 'malformed') {
      socket.send(Buffer.concat([query.subarray(0, 2), Buffer.alloc(50, 0xff)]), peer.port, peer.address);
      return;
    }
    const texts = entry ? ((type === 'A' ? entry.a : entry.aaaa) ?? []) : [];
    const rcode = entry ? (entry.rcode ?? RCODE.ok) : RCODE.noSuchName;
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | rcode, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(texts.length, 6);
    const answers = texts.map((text) => {
      const data = type === 'A' ? Buffer.from(text.split('.').map(Number)) : ipv6Bytes(text);
      const head = Buffer.alloc(12);
      head.writeUInt16BE(0xc00c, 0);
      head.writeUInt16BE(type === 'A' ? 1 : 28, 2);
      head.writeUInt16BE(1, 4);
      head.writeUInt32BE(entry?.ttl ?? 60, 6);
      head.writeUInt16BE(data.length, 10);
      return Buffer.concat([head, data]);
    });
    socket.send(Buffer.concat([header, query.subarray(12, at + 5), ...answers]), peer.port, peer.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { address: `127.0.0.1:${socket.address().port}`, asked, close: () => socket.close() };
}

function ipv6Bytes(text: string): Buffer {
  const [head = '', tail = ''] = text.split('::').map((half) =>
    half
      .split(':')
      .filter(Boolean)
      .map((g) => g.padStart(4, '0'))
      .join(''),
  );
  return Buffer.from(head + '0'.repeat(32 - head.length - tail.length) + tail, 'hex');
}

const zone: Zone = {};
let dns: Awaited<ReturnType<typeof startDns>>;
before(async () => {
  dns = await startDns(zone);
});
after(() => dns.close());

const HOSTS: Record<string, string[]> = { 'only-in-hosts.test': ['127.0.0.7'] };
async function hosts(name: string): Promise<readonly string[]> {
  const found = HOSTS[name];
  if (found === undefined) throw new Error('ENOTFOUND');
  return found;
}
/** More than an answer takes on a busy machine; only a server that is silent on purpose needs less. */
const PATIENCE_MS = 10_000;
const ask = (name: string, previous?: Answer, timeoutMs = PATIENCE_MS) =>
  createLookup({ servers: [dns.address], hosts, timeoutMs })(name, previous);

const good: Answer = { addresses: ['10.0.0.9', 'fd00::9'], error: null, holdsMs: 1000 };

describe('a name', () => {
  test('has the sorted addresses of both families and the smaller TTL', async () => {
    zone['both.test'] = { a: ['10.0.0.2', '10.0.0.1'], aaaa: ['fd00::1'], ttl: 30 };
    assert.deepEqual(await ask('both.test'), {
      addresses: ['10.0.0.1', '10.0.0.2', 'fd00::1'],
      error: null,
      holdsMs: 30_000,
    });
  });
  for (const [ttl, holdsMs] of [
    [0, 1000],
    [86_400, 300_000],
  ] as const) {
    test(`with TTL ${ttl} is asked for again after ${holdsMs / 1000} s`, async () => {
      zone[`ttl${ttl}.test`] = { a: ['10.0.0.1'], ttl };
      assert.equal((await ask(`ttl${ttl}.test`)).holdsMs, holdsMs);
    });
  }
  test('that DNS does not know comes from the hosts file, for 30 s', async () => {
    assert.deepEqual(await ask('only-in-hosts.test', good), {
      addresses: ['127.0.0.7'],
      error: null,
      holdsMs: 30_000,
    });
  });
  test('that nobody knows loses the addresses it had', async () => {
    const { addresses, error } = await ask('gone.test', good);
    assert.deepEqual(addresses, []);
    assert.equal(error, 'DNS knows no address of "gone.test"');
  });
  test('that exists without addresses has none', async () => {
    zone['empty.test'] = {};
    assert.deepEqual((await ask('empty.test', good)).addresses, []);
  });
  test('whose server fails keeps the addresses it had, and says so', async () => {
    zone['failing.test'] = { rcode: RCODE.serverFailure };
    const answer = await ask('failing.test', good);
    assert.deepEqual(answer.addresses, good.addresses);
    assert.match(
      answer.error ?? '',
      /could not be asked about "failing\.test" \(SERVFAIL\).*last known addresses/,
    );
    assert.deepEqual((await ask('failing.test')).addresses, []);
  });
  test('whose server is silent keeps the addresses it had', async () => {
    zone['silent.test'] = 'silent';
    const answer = await ask('silent.test', good, 50);
    assert.deepEqual(answer.addresses, good.addresses);
    assert.match(answer.error ?? '', /TIMEOUT/);
  });
});

test('a malformed answer about one name costs no other name its answer', async () => {
  zone['malformed.test'] = 'malformed';
  zone['fine.test'] = { a: ['10.0.0.1'], ttl: 60 };
  const lookup = createLookup({ servers: [dns.address], hosts, timeoutMs: PATIENCE_MS });
  const [malformed, fine] = await Promise.all([
    lookup('malformed.test', undefined),
    lookup('fine.test', undefined),
  ]);
  assert.match(malformed.error ?? '', /could not be asked about "malformed\.test" \(BADRESP\)/);
  assert.deepEqual(fine, { addresses: ['10.0.0.1'], error: null, holdsMs: 60_000 });
});

describe('the resolver', () => {
  /** A resolver over the table, and a way to wait for its next change. */
  function start() {
    let wake = (): void => {};
    let changes = 0;
    const lookup = createLookup({ servers: [dns.address], hosts, timeoutMs: PATIENCE_MS });
    const resolver = new NameResolver(lookup, () => {
      changes++;
      wake();
    });
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
    };
    return { resolver, until, changes: () => changes };
  }

  test('asks again when the TTL is over, and tells only changes', async () => {
    zone['moving.test'] = { a: ['10.0.0.1'], ttl: 1 };
    zone['still.test'] = { a: ['10.0.0.5'], ttl: 1 };
    const { resolver, until, changes } = start();
    resolver.setNames(new Set(['Moving.test', 'still.test', '10.1.2.3']));
    assert.deepEqual([...resolver.results.keys()], ['10.1.2.3']);
    await until(() => resolver.results.size === 3);
    const still = resolver.results.get('still.test');
    assert.deepEqual(still, { name: 'still.test', addresses: ['10.0.0.5'], error: null });
    const before = changes();
    zone['moving.test'] = { a: ['10.0.0.2'], ttl: 60 };
    await until(() => resolver.results.get('moving.test')?.addresses[0] === '10.0.0.2');
    assert.equal(changes(), before + 1);
    assert.equal(resolver.results.get('still.test'), still);
    resolver.close();
  });

  test('forgets names that are wanted no more', async () => {
    zone['a.test'] = { a: ['10.0.0.1'] };
    zone['b.test'] = { a: ['10.0.0.2'] };
    const { resolver, until } = start();
    resolver.setNames(new Set(['a.test', 'b.test']));
    await until(() => resolver.results.size === 2);
    const b = resolver.results.get('b.test');
    resolver.setNames(new Set(['b.test']));
    assert.deepEqual([...resolver.results.keys()], ['b.test']);
    assert.equal(resolver.results.get('b.test'), b);
    resolver.close();
  });

  test('asks once for a name that is wanted again and again', async () => {
    zone['once.test'] = { a: ['10.0.0.1'] };
    const { resolver, until } = start();
    for (let round = 0; round < 3; round++) resolver.setNames(new Set(['once.test']));
    await until(() => resolver.results.size === 1);
    assert.equal(dns.asked.filter((question) => question === 'A once.test').length, 1);
    resolver.close();
  });
});

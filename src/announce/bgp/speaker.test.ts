/** Speakers over loopback, without namespaces or other programs: what needs no privileges works without any. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { peerConfig } from '../../../test/kit/bgp-peer-config.ts';
import { type Scope, within } from '../../../test/kit/waiting.ts';
import { parsePrefix } from '../../model/ip.ts';
import type { BfdEngine } from '../bfd/engine.ts';
import type { Message } from './message.ts';
import { KEEPALIVE } from './message.ts';
import { MessageReader } from './message-reader.ts';
import { encodeMessage } from './messages.ts';
import type { Malformed } from './notification.ts';
import type { PeerConfig } from './peer.ts';
import type { Route } from './rib-out.ts';
import type { SessionStatus } from './session.ts';
import { BgpSpeaker } from './speaker.ts';

const NO_BFD: BfdEngine = { watch: () => () => {} };

const peer = (more: Partial<PeerConfig>): PeerConfig =>
  peerConfig({ name: 'peer', address: '127.0.0.1', ...more });

class Watched {
  readonly statuses: SessionStatus[] = [];
  readonly problems: string[] = [];
  readonly speaker = new BgpSpeaker(NO_BFD, {
    onChange: (status) => {
      this.statuses.push(status);
      for (const check of this.#waiting) check();
    },
    onProblem: (text) => this.problems.push(text),
  });
  readonly #waiting = new Set<() => void>();

  constructor(t: Scope) {
    t.after(() => this.speaker.stop({ kind: 'silent' }));
  }

  until(wanted: (status: SessionStatus) => boolean): Promise<SessionStatus> {
    const { promise, resolve } = Promise.withResolvers<SessionStatus>();
    const check = () => {
      const found = this.statuses.find(wanted);
      if (found !== undefined) resolve(found);
    };
    this.#waiting.add(check);
    check();
    return within(promise, () => `a status; had ${JSON.stringify(this.statuses.at(-1))}`);
  }
}

/** A peer that the test plays itself, on the bytes. */
class Raw {
  readonly socket: Socket;
  readonly #messages: (Message | Malformed)[] = [];
  #wake = () => {};

  constructor(t: Scope, socket: Socket) {
    this.socket = socket;
    const reader = new MessageReader();
    socket.on('data', (bytes) =>
      reader.feed(bytes as Buffer, (message) => {
        this.#messages.push(message);
        this.#wake();
        return true;
      }),
    );
    socket.on('error', () => {});
    t.after(() => void socket.destroy());
  }
  send(message: Message): void {
    this.socket.write(encodeMessage(message, true));
  }
  async next(): Promise<Message | Malformed> {
    while (this.#messages.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await within(promise, 'a message');
    }
    return this.#messages.shift()!; // not empty
  }
}

const OPEN: Message = {
  type: 'open',
  as: 64513,
  holdTime: 90,
  routerId: 2,
  capabilities: {
    families: ['ipv4'],
    fourOctetAs: true,
    routeRefresh: true,
    extendedNextHop: false,
    gracefulRestart: null,
  },
};
const route = (text: string): Route => ({
  prefix: parsePrefix(text)!,
  localPref: null,
  communities: [],
  largeCommunities: [],
});

/** A speaker that waits for the test to dial it. */
async function listening(t: Scope, more: Partial<PeerConfig> = {}, routes: readonly Route[] = []) {
  const watched = new Watched(t);
  const [port] = await watched.speaker.listen([{ host: '127.0.0.1', port: 0 }]);
  watched.speaker.apply({ peers: [peer({ passive: true, ...more })], routes: new Map([['peer', routes]]) });
  const dial = () => new Raw(t, connect(port!, '127.0.0.1'));
  return { watched, dial, port: port! };
}

async function established(raw: Raw): Promise<void> {
  raw.send(OPEN);
  assert.equal((await raw.next()).type, 'open');
  assert.equal((await raw.next()).type, 'keepalive');
  raw.send(KEEPALIVE);
}

describe('two speakers', () => {
  test('find each other, and each other again after one was away', async (t) => {
    const { watched: first, port } = await listening(t, { localAs: 64512, routerId: 1 });
    const second = new Watched(t);
    const plan = {
      peers: [peer({ name: 'first', port, localAs: 64513, routerId: 2 })],
      routes: new Map([['first', [route('192.0.2.1/32')]]]),
    };
    second.speaker.apply(plan);
    await second.until(({ state }) => state === 'Established');
    await first.until(({ state }) => state === 'Established');
    first.statuses.length = 0;
    second.speaker.apply({ peers: [], routes: new Map() });
    const gone = await first.until(({ state }) => state !== 'Established');
    assert.match(gone.lastError, /de-configured/);
    second.statuses.length = 0;
    second.speaker.apply(plan);
    await second.until(({ state }) => state === 'Established');
  });

  test('a change of what a session is made of starts it anew; a change of BFD does not', async (t) => {
    const { watched: first, port } = await listening(t, { localAs: 64512, routerId: 1 });
    const second = new Watched(t);
    const apply = (more: Partial<PeerConfig>) =>
      second.speaker.apply({
        peers: [peer({ name: 'first', port, localAs: 64513, routerId: 2, ...more })],
        routes: new Map(),
      });
    apply({});
    await first.until(({ state }) => state === 'Established');
    const bfd = { transmitMs: 100, receiveMs: 100, multiplier: 3, passive: false, minimumTtl: 254 };
    apply({ bfd });
    first.statuses.length = 0;
    apply({ bfd, holdSeconds: 30 });
    const gone = await first.until(({ state }) => state !== 'Established');
    assert.match(gone.lastError, /other configuration change/);
    const back = await first.until(({ state }) => state === 'Established');
    assert.equal(back.negotiated?.holdTime, 30);
    assert.equal(back.counters.dropped, 1);
  });
});

describe('a peer on the bytes', () => {
  test('gets the routes, End-of-RIB, and all again on a refresh', async (t) => {
    const { dial } = await listening(t, {}, [route('192.0.2.1/32'), route('192.0.2.2/32')]);
    const raw = dial();
    await established(raw);
    const update = await raw.next();
    assert.equal(update.type === 'update' && update.announced.length, 2);
    assert.deepEqual((await raw.next()).type, 'update');
    raw.send({ type: 'route-refresh', family: 'ipv4' });
    const again = await raw.next();
    assert.equal(again.type === 'update' && again.announced.length, 2);
  });

  test('hears of a shutdown after its routes were withdrawn', async (t) => {
    const { watched, dial } = await listening(t, {}, [route('192.0.2.1/32')]);
    const raw = dial();
    await established(raw);
    await raw.next();
    await raw.next();
    const stopped = watched.speaker.stop({ kind: 'shutdown', text: 'bye' });
    const withdrawal = await raw.next();
    assert.equal(withdrawal.type === 'update' && withdrawal.withdrawn.length, 1);
    const last = await raw.next();
    assert.deepEqual(last.type === 'notification' && [last.code, last.subcode], [6, 2]);
    await stopped;
  });

  for (const [what, bytes, answer] of [
    ['something else than BGP', Buffer.from('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'), [1, 1]],
    ['a KEEPALIVE before its OPEN', encodeMessage(KEEPALIVE, true), [5, 1]],
    ['an OPEN of our own AS', encodeMessage({ ...OPEN, as: 64512 }, true), [2, 2]],
  ] as const)
    test(`that says ${what} gets ${answer.join('/')} and the line is cut`, async (t) => {
      const { dial } = await listening(t);
      const raw = dial();
      assert.equal((await raw.next()).type, 'open');
      const closed = once(raw.socket, 'close');
      raw.socket.write(bytes);
      const said = await raw.next();
      assert.deepEqual(said.type === 'notification' && [said.code, said.subcode], answer);
      await within(closed, 'the end of the connection');
    });

  test('with a second connection while the first lives is turned away', async (t) => {
    const { dial } = await listening(t);
    const raw = dial();
    await established(raw);
    const second = dial();
    await within(once(second.socket, 'close'), 'the end of the second connection');
    raw.send({ type: 'route-refresh', family: 'ipv4' });
    assert.equal((await raw.next()).type, 'update');
  });

  test('that reads nothing slows only itself: what it should know is not piled up', async (t) => {
    const many = Array.from({ length: 20_000 }, (_, i) => ({
      ...route(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`),
      communities: [i],
    }));
    const { watched, dial } = await listening(t, {}, many);
    const raw = dial();
    await established(raw);
    raw.socket.pause();
    await watched.until(({ state }) => state === 'Established');
    const [status] = watched.speaker.status;
    assert.ok(status!.announced < many.length, `${status!.announced} of ${many.length} were sent at once`);
    raw.socket.resume();
    let seen = 0;
    while (seen < many.length) {
      const message = await raw.next();
      if (message.type === 'update') seen += message.announced.length;
    }
    assert.equal(seen, many.length);
  });
});

test('a stranger is not spoken to', async (t) => {
  const { dial } = await listening(t, { address: '192.0.2.77' });
  const raw = dial();
  await within(once(raw.socket, 'close'), 'the end of the connection');
  assert.equal(raw.socket.bytesRead, 0);
});

test('a port in use is a problem that says so', async (t) => {
  const other = createServer();
  t.after(() => void other.close());
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const watched = new Watched(t);
  assert.deepEqual(await watched.speaker.listen([{ host: '127.0.0.1', port }]), []);
  assert.match(watched.problems[0] ?? '', /another program does/);
});

/** All clients, in one process. */
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../fuzz/random.ts';
import { reporter } from './child.ts';
import { CLIENT_KINDS, type ClientKind } from './clients/all.ts';
import { type Client, Fault } from './clients/client.ts';
import { now } from './clock.ts';
import type { FromClients, ToClients } from './messages.ts';
import type { Answer } from './verdict.ts';

const REPORT_MS = 200;
/** Clients rest for up to this long between rounds, so that the machine can be shared. */
const MOST_REST_MS = 12;
const REST_AFTER_FAULT_MS = 50;
/** Some quote what was received. */
const LONGEST_MESSAGE = 300;

/** How often it is looked how busy this process is. */
const LAG_MS = 50;
/** What share of the longest lag is left at the next look: it is remembered for about two seconds. */
const LAG_FADES = 0.97;

const report = reporter<FromClients>();
const totals = { bytes: 0, webSocketMessages: 0, abandoned: 0 };
let answers: Answer[] = [];
let draining = false;
/** How much later than they happened things are noticed here, in ms: the longest lately. */
let lag = 0;

function makeClient(name: string, port: number, httpsPort: number, seed: number): Client {
  return {
    port,
    httpsPort,
    random: new Random(seed),
    answered: ({ route }, start, end, backend) =>
      void answers.push({ client: name, route, start, end, backend }),
    countBytes: (bytes) => {
      totals.bytes += bytes;
    },
    countWebSocketMessage: () => {
      totals.webSocketMessages++;
    },
    countAbandoned: () => {
      totals.abandoned++;
    },
    draining: () => draining,
  };
}

/** Round after round, until the proxy has gone. */
async function runClient({ name, rounds }: ClientKind, client: Client): Promise<void> {
  const round = rounds(client);
  for (;;) {
    try {
      await round();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (draining && error.kind === 'refused') return;
      const { kind, openedAt, restedMs } = error;
      const message = error.message.slice(0, LONGEST_MESSAGE);
      const noticedLateMs = restedMs + lag;
      report({
        kind: 'failure',
        failure: { client: name, kind, openedAt, at: now(), message, noticedLateMs },
      });
      await delay(REST_AFTER_FAULT_MS);
    }
    await delay(client.random.int(0, MOST_REST_MS));
  }
}

function reportAnswers(): void {
  if (answers.length > 0) report({ kind: 'answers', answers });
  answers = [];
}

function watchLag(): NodeJS.Timeout {
  let before = now();
  return setInterval(() => {
    const time = now();
    lag = Math.max(time - before - LAG_MS, lag * LAG_FADES);
    before = time;
  }, LAG_MS);
}

async function run(port: number, httpsPort: number, seed: number): Promise<void> {
  const timer = setInterval(reportAnswers, REPORT_MS);
  const lagTimer = watchLag();
  let clients = 0;
  const running = CLIENT_KINDS.flatMap((kind) =>
    Array.from({ length: kind.count }, () =>
      runClient(kind, makeClient(kind.name, port, httpsPort, seed + clients++)),
    ),
  );
  await Promise.all(running);
  clearInterval(timer);
  clearInterval(lagTimer);
  reportAnswers();
  report({ kind: 'ended', totals });
}

process.on('message', (message: ToClients) => {
  if (message.kind === 'start') {
    void run(message.port, message.httpsPort, message.seed);
    return;
  }
  draining = true;
  report({ kind: 'draining' });
});

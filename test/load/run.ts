/**
 * The load test: many kinds of clients against Tidegate while its manifests are rewritten many times a second,
 * backends come and go and workers are killed. No request may fail but those on the connections of a killed
 * worker. Arguments: `--seconds N` (30), `--seed N` (random; printed).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random } from '../fuzz/random.ts';
import { ingressClass, makeManifestFolder } from '../kit/manifests.ts';
import { within } from '../kit/waiting.ts';
import { Child } from './child.ts';
import { Churn } from './churn.ts';
import { now } from './clock.ts';
import { History } from './history.ts';
import { killWorkers } from './kill.ts';
import type {
  FromBackends,
  FromClients,
  FromTidegate,
  ToBackends,
  ToClients,
  ToTidegate,
} from './messages.ts';
import { type Evidence, judge, printVerdict } from './report.ts';
import type { Answer, Failure, Kill } from './verdict.ts';

const START_MS = 30_000;
/** From SIGTERM to the end of the last request and of the program; its own grace is 25 s. */
const DRAIN_MS = 40_000;
const MAX_SECONDS = 600;
const ADMIN_MS = 1000;
/** So many failures tell enough. */
const MAX_FAILURES = 2000;

const { seconds, seed } = readArguments();
const random = new Random(seed);
const cleanUps: (() => void | Promise<void>)[] = [];

const history = new History();
const answers: Answer[] = [];
const failures: Failure[] = [];
const kills: Kill[] = [];
const troubles: string[] = [];
let reloads = 0;

function onTidegate(message: FromTidegate): void {
  switch (message.kind) {
    case 'live':
      reloads++;
      return history.live(message.versions, message.at);
    case 'killed':
      return void kills.push(message.kill);
    case 'trouble':
      // Broken files are ours, and so is the end of a worker that was killed; both are counted.
      return void troubles.push(`${message.event}: ${message.message}`);
    case 'ready':
      return;
    default:
      return message satisfies never;
  }
}

function onClients(message: FromClients): void {
  if (message.kind === 'answers') for (const answer of message.answers) answers.push(answer);
  else if (message.kind === 'failure' && failures.length < MAX_FAILURES) failures.push(message.failure);
}

function readArguments(): { seconds: number; seed: number } {
  const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
  const wanted = Number(values.seconds ?? 30);
  if (!(wanted >= 5 && wanted <= MAX_SECONDS)) {
    throw new Error(`--seconds: "${values.seconds}" is not valid: expected 5 to ${MAX_SECONDS}.`);
  }
  return { seconds: wanted, seed: Number(values.seed ?? Math.floor(Math.random() * 1_000_000)) };
}

/** Asks for health and metrics all the time, as a cluster does. Gives how often it was asked, and what failed. */
async function watchAdmin(port: number, until: number): Promise<{ asked: number; failed: string[] }> {
  let asked = 0;
  const failed: string[] = [];
  while (now() < until) {
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      asked++;
      try {
        const response = await fetch(`http://127.0.0.1:${port}${path}`, {
          signal: AbortSignal.timeout(START_MS),
        });
        await response.text();
        if (response.status !== 200) failed.push(`${path}: status ${response.status}`);
      } catch (error) {
        failed.push(`${path}: ${(error as Error).message}`);
      }
    }
    await delay(ADMIN_MS);
  }
  return { asked, failed };
}

async function run(): Promise<Evidence> {
  const folder = await makeManifestFolder({ after: (cleanUp) => void cleanUps.push(cleanUp) });
  const backends = new Child<ToBackends, FromBackends>('backend-process.ts', [], () => {});
  cleanUps.push(() => backends.end());
  await folder.write('class.yaml', [ingressClass]);
  const churn = new Churn(folder, backends, history, random);
  await churn.prepare();

  const tidegate = new Child<ToTidegate, FromTidegate>('tidegate-process.ts', [folder.path], onTidegate);
  cleanUps.push(() => tidegate.end());
  const ready = await tidegate.next('ready', START_MS);
  const clients = new Child<ToClients, FromClients>('client-process.ts', [], onClients);
  cleanUps.push(() => clients.end());
  clients.send({ kind: 'start', port: ready.http, httpsPort: ready.https, seed });
  const alone = Promise.race([backends, tidegate, clients].map((child) => child.endsAlone()));
  const ended = clients.next('ended', seconds * 1000 + 2 * DRAIN_MS);
  ended.catch(() => {}); // told by `alone`, when the run broke off

  const until = now() + seconds * 1000;
  const underLoad = Promise.all([
    within(churn.run(until), 'the last manifests to go live', seconds * 1000 + DRAIN_MS),
    watchAdmin(ready.admin, until),
    killWorkers(tidegate, until),
  ]);
  const [counts, admin] = await Promise.race([underLoad, alone]);

  clients.send({ kind: 'drain' });
  await clients.next('draining', START_MS);
  const peakMemory = tidegate.peakMemory();
  tidegate.signal('SIGTERM');
  const [{ totals }, exitCode] = await Promise.race([Promise.all([ended, tidegate.exit(DRAIN_MS)]), alone]);
  backends.send({ kind: 'finish' });
  const { doublePosts } = await backends.next('finished', START_MS);
  const noticed = { history, answers, failures, kills, troubles, reloads };
  return { ...noticed, seconds, counts, admin, totals, exitCode, doublePosts, peakMemory };
}

console.log(`Load test: ${seconds} s, seed ${seed}`);
try {
  const found = await run();
  const verdict = judge(found);
  printVerdict(found, verdict);
  process.exitCode = verdict.failed === 0 ? 0 : 1;
} catch (error) {
  console.log(`The run broke off: ${(error as Error).message}`);
  for (const { client, kind, message } of failures.slice(0, 10))
    console.log(`  ${client}: ${kind}: ${message}`);
  for (const line of troubles.slice(-10)) console.log(`  log: ${line}`);
  console.log(`\n${answers.length} passed, ${failures.length + 1} failed`);
  process.exitCode = 1;
} finally {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
}
// When the run broke off, some of it still waits.
process.exit();

/**
 * Problems as Events (events.k8s.io/v1), which `kubectl describe` shows with the object: which are to be written now.
 * Knows no clock; `now` is in ms of a monotonic clock.
 *
 * One problem is one Event however long it lasts. Its name follows from what it says, so that another leader, or we
 * after a restart, meet it again instead of adding a copy. The API server forgets Events after an hour: what lasts is
 * told again every half hour, as a series. What was mended simply stops.
 */
import { createHash } from 'node:crypto';
import { type Resource, resourcePath } from '../kubernetes/resource.ts';
import type { Problem } from '../model/problem.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type Regarding, regarding } from './regarding.ts';
import type { Write, WriteRequest } from './write-queue.ts';

export interface EventReporter {
  /** A domain-prefixed name, like `tidegate.io/ingress-controller`. */
  readonly controller: string;
  /** The pod. */
  readonly instance: string;
}

export interface EventLimits {
  /** Problems that are remembered; further ones are not told. */
  readonly entries: number;
  readonly perObject: number;
  /** New Events of one update; further ones come with a later one, so that none is made only to be dropped. */
  readonly perUpdate: number;
  readonly laterMs: number;
  readonly repeatMs: number;
  /** Between two writes of the same Event, however often a problem comes and goes. */
  readonly gapMs: number;
}

export const EVENT_LIMITS: EventLimits = {
  entries: 10_000,
  perObject: 20,
  perUpdate: 250,
  laterMs: 60_000,
  repeatMs: 30 * 60_000,
  gapMs: 5 * 60_000,
};

const EVENTS: Resource = { group: 'events.k8s.io', version: 'v1', plural: 'events' };
/** Bounds of the API server's validation, in bytes. */
const MAX_NOTE = 1024;
const MAX_INSTANCE = 128;
const FORGET_MS = 3_600_000;

interface Entry {
  readonly problem: Problem;
  count: number;
  writtenAt: number;
  presentAt: number;
  present: boolean;
}

export class EventLedger {
  readonly #reporter: EventReporter;
  readonly #limits: EventLimits;
  readonly #entries = new Map<string, Entry>();
  /** Problems mostly stay the same objects: their names are made once. */
  readonly #names = new WeakMap<Problem, string>();
  /** When those come that the last update had no room for. */
  #laterAt = Infinity;

  constructor(reporter: EventReporter, limits: EventLimits = EVENT_LIMITS) {
    this.#reporter = { ...reporter, instance: reporter.instance.slice(0, MAX_INSTANCE) };
    this.#limits = limits;
  }

  /** Takes all problems there are and gives what is to be written about them. `time` is the wall clock, for the Events. */
  update(problems: readonly Problem[], snapshot: Snapshot, now: number, time: Date): Write[] {
    const writes: Write[] = [];
    const perObject = new Map<string, number>();
    const before = new Set(this.#entries.values());
    this.#laterAt = Infinity;
    for (const problem of problems) {
      if (problem.object === null) continue;
      const about = regarding(problem.object, snapshot);
      const who = `${about.kind}/${about.namespace}/${about.name}`;
      const count = (perObject.get(who) ?? 0) + 1;
      perObject.set(who, count);
      if (count > this.#limits.perObject) continue;
      const write = this.#tell(problem, about, now, time, writes.length < this.#limits.perUpdate);
      if (write !== null) writes.push(write);
    }
    for (const entry of before) entry.present = entry.presentAt === now;
    this.#forget(now);
    return writes;
  }

  /** When to update though no problem came or went: then something is to be told again. null for never. */
  repeatAt(): number | null {
    let earliest = this.#laterAt;
    for (const { present, writtenAt } of this.#entries.values()) {
      if (present) earliest = Math.min(earliest, writtenAt + this.#limits.repeatMs);
    }
    return earliest === Infinity ? null : earliest;
  }

  clear(): void {
    this.#entries.clear();
  }

  #tell(problem: Problem, about: Regarding, now: number, time: Date, hasRoom: boolean): Write | null {
    const name = this.#nameOf(problem, about);
    const entry = this.#entries.get(`${about.namespace}/${name}`);
    if (entry === undefined) {
      if (this.#entries.size >= this.#limits.entries) return null;
      if (!hasRoom) {
        this.#laterAt = now + this.#limits.laterMs;
        return null;
      }
      const fresh = { problem, count: 1, writtenAt: now, presentAt: now, present: true };
      this.#entries.set(`${about.namespace}/${name}`, fresh);
      return this.#write(name, fresh, about, time, 'create');
    }
    const isBack = !entry.present;
    entry.presentAt = now;
    entry.present = true;
    if (isBack) entry.count++;
    const { gapMs, repeatMs } = this.#limits;
    if (now - entry.writtenAt < (isBack ? gapMs : repeatMs)) return null;
    if (!isBack) entry.count++;
    entry.writtenAt = now;
    return this.#write(name, entry, about, time, 'patch');
  }

  #forget(now: number): void {
    for (const [key, { present, presentAt }] of this.#entries) {
      if (!present && now - presentAt > FORGET_MS) this.#entries.delete(key);
    }
  }

  /** What does not exist (any more) is created, what does is continued, whichever was expected. */
  #write(name: string, entry: Entry, about: Regarding, time: Date, first: 'create' | 'patch'): Write {
    const namespace = about.namespace === '' ? 'default' : about.namespace;
    const create: WriteRequest = {
      method: 'POST',
      path: resourcePath(EVENTS, { namespace }),
      body: this.#object(name, namespace, entry, about, time),
    };
    const patch: WriteRequest = {
      method: 'PATCH',
      path: resourcePath(EVENTS, { namespace, name }),
      contentType: 'application/merge-patch+json',
      body: { series: { count: Math.max(entry.count, 2), lastObservedTime: microTime(time) } },
    };
    const key = `Event ${namespace}/${name}`;
    return first === 'create'
      ? { key, request: create, fallback: { status: 409, request: patch }, basis: entry.count }
      : { key, request: patch, fallback: { status: 404, request: create }, basis: entry.count };
  }

  #object(name: string, namespace: string, { problem }: Entry, about: Regarding, time: Date): object {
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace, name },
      eventTime: microTime(time),
      reportingController: this.#reporter.controller,
      reportingInstance: this.#reporter.instance,
      action: 'Configure',
      reason: problem.reason,
      regarding: about,
      note: noteOf(problem),
      // What is only a warning to us is one to Kubernetes, too: it knows but Normal and Warning.
      type: 'Warning',
    };
  }

  #nameOf(problem: Problem, about: Regarding): string {
    const known = this.#names.get(problem);
    if (known !== undefined) return known;
    const { reason, field, message } = problem;
    const text = [about.kind, about.uid, about.name, reason, field, message].join('\n');
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
    const name = `${about.name.slice(0, 200).replace(/[^a-z0-9]+$/, '')}.${hash}`;
    this.#names.set(problem, name);
    return name;
  }
}

function noteOf({ field, message }: Problem): string {
  const note = field === '' ? message : `${field}: ${message}`;
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE) return note;
  // A character that is cut through becomes U+FFFD, which is dropped.
  return `${bytes
    .subarray(0, MAX_NOTE - 3)
    .toString()
    .replace(/\uFFFD$/, '')}…`;
}

/** metav1.MicroTime: six digits after the second. */
function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}

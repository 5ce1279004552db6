/** What every kind of client works with: the run it belongs to, the requests it makes up, the faults it meets. */

import type { Random } from '../../fuzz/random.ts';
import { hostName, PATHS, placeOf, ROUTES } from '../cell.ts';
import { bodySize } from '../payload.ts';
import { type Act, BACKEND_FIELD, SEEN_FIELD, TASK_FIELD, type Task, taskText } from '../task.ts';
import type { Failure } from '../verdict.ts';

export interface Client {
  /** Port of the proxy on 127.0.0.1. */
  readonly port: number;
  /** The same for TLS; the certificate is the proxy's own. */
  readonly httpsPort: number;
  readonly random: Random;
  /** Notes an answer that was right in itself; `start` and `end` are those of {@link Answer}. */
  answered(request: Request, start: number, end: number, backend: string): void;
  countBytes(bytes: number): void;
  countWebSocketMessage(): void;
  countAbandoned(): void;
  /** From then on connections may be refused, and answers may say that theirs is the last. */
  draining(): boolean;
}

/** One kind of client: gives a function that does one round, and rejects with a {@link Fault} when it failed. */
export type Rounds = (client: Client) => () => Promise<void>;

export class Fault extends Error {
  readonly kind: Failure['kind'];
  /** When the connection began to be opened. */
  readonly openedAt: number;
  readonly restedMs: number;

  constructor(kind: Failure['kind'], openedAt: number, message: string, restedMs = 0) {
    super(message);
    this.kind = kind;
    this.openedAt = openedAt;
    this.restedMs = restedMs;
  }
}

export interface Request {
  readonly route: number;
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly host: string;
  readonly target: string;
  readonly task: Task;
}

/** Longer than anything here should take on a busy machine. */
export const LATE_MS = 20_000;

let lastId = 0;

/** Makes up a request for any of the routes, with a body of at most `maxSize` bytes to send or to get. */
export function makeRequest(random: Random, method: Request['method'], act: Act, maxSize: number): Request {
  const id = ++lastId;
  const route = random.int(0, ROUTES - 1);
  const { cell, host, path } = placeOf(route);
  const { path: prefix, pathType } = PATHS[path]!;
  const rest = pathType === 'Exact' ? `?id=${id}` : `${prefix === '/' ? '' : '/'}page-${id}`;
  const framing = random.chance(0.5) ? 'length' : 'chunked';
  const task: Task = { id, act, seed: random.int(0, 999_999), size: bodySize(random, maxSize), framing };
  return { route, method, host: hostName(cell, host), target: `${prefix}${rest}`, task };
}

export function requestFields({ host, task }: Request): Record<string, string> {
  return { host, [TASK_FIELD]: taskText(task) };
}

/** What is wrong with the head of an answer; null when nothing is. `field` looks a field up by lower-case name. */
export function headFault(
  request: Request,
  status: number,
  field: (name: string) => string | null,
): string | null {
  const { method, host, target, task } = request;
  const asked = `${method} ${host}${target}`;
  if (status !== 200) return `${asked}: status ${status}`;
  if (field(TASK_FIELD) !== taskText(task))
    return `${asked}: the answer is to task "${field(TASK_FIELD)}" instead of "${taskText(task)}"`;
  if (field(SEEN_FIELD) !== asked) return `${asked}: the backend saw ${field(SEEN_FIELD)}`;
  return field(BACKEND_FIELD) === null ? `${asked}: the answer names no backend` : null;
}

/** What a client asks a backend to do: sent in the field `X-Task`, and sent back so that answers cannot be mixed up. */
export interface Task {
  /** Of all requests of a run, only this one has it. */
  readonly id: number;
  readonly act: Act;
  /** Of the body that is sent or wanted: see payload.ts. */
  readonly seed: number;
  readonly size: number;
  /** How the answer is framed. */
  readonly framing: 'length' | 'chunked';
}

/**
 * `give`: answer with the payload. `drip`: the same in many pieces, slowly. `echo`: send the body back while it
 * arrives. `check`: read the body, compare it with the payload and answer with {@link CHECKED} or what is wrong.
 */
export type Act = 'give' | 'drip' | 'echo' | 'check';

export const CHECKED = 'as sent';

export const TASK_FIELD = 'x-task';
/** The name of the backend that answers. */
export const BACKEND_FIELD = 'x-backend';
/** Method, host and path as the backend saw them. */
export const SEEN_FIELD = 'x-seen';

export function taskText({ id, act, seed, size, framing }: Task): string {
  return `${id} ${act} ${seed} ${size} ${framing}`;
}

/** Takes what {@link taskText} made; null for anything else. */
export function readTask(text: unknown): Task | null {
  const match = /^(\d+) (give|drip|echo|check) (\d+) (\d+) (length|chunked)$/.exec(String(text));
  if (match === null) return null;
  const [, id, act, seed, size, framing] = match;
  return {
    id: Number(id),
    act: act as Act,
    seed: Number(seed),
    size: Number(size),
    framing: framing as Task['framing'],
  };
}

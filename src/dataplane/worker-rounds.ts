/** Questions that all workers are asked at once. */
export class WorkerRounds {
  #last = 0;
  readonly #open = new Map<number, { readonly left: Set<number>; readonly done: () => void }>();

  /** `send` asks them, with the number that their answers carry. Resolves when all answered, or after `timeoutMs`. */
  async ask(workers: ReadonlySet<number>, timeoutMs: number, send: (id: number) => void): Promise<void> {
    if (workers.size === 0) return;
    const id = ++this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#open.set(id, { left: new Set(workers), done: resolve });
    send(id);
    await promise;
    clearTimeout(timer);
    this.#open.delete(id);
  }

  /** Worker number `worker` answered the question `id`; answers to others have no effect. */
  answered(worker: number, id: number): void {
    const round = this.#open.get(id);
    if (round === undefined) return;
    round.left.delete(worker);
    if (round.left.size === 0) round.done();
  }
}

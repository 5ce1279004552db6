/** Who looked up what: says which results to redo when one of their inputs changes. */
export class Dependents<Input, Dependent> {
  readonly #byInput = new Map<Input, Set<Dependent>>();

  add(dependent: Dependent, inputs: Iterable<Input>): void {
    for (const input of inputs) {
      const known = this.#byInput.get(input);
      if (known === undefined) this.#byInput.set(input, new Set([dependent]));
      else known.add(dependent);
    }
  }

  remove(dependent: Dependent, inputs: Iterable<Input>): void {
    for (const input of inputs) {
      const known = this.#byInput.get(input);
      if (known?.delete(dependent) && known.size === 0) this.#byInput.delete(input);
    }
  }

  of(input: Input): ReadonlySet<Dependent> {
    return this.#byInput.get(input) ?? NOBODY;
  }

  /** Everything that somebody looked up. */
  inputs(): IterableIterator<Input> {
    return this.#byInput.keys();
  }
}

const NOBODY: ReadonlySet<never> = new Set();

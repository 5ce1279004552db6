/** The command was called wrongly; ends with exit code 2. Each of `errors` is a sentence for the user. */
export class UsageError extends Error {
  readonly errors: readonly string[];

  constructor(errors: readonly string[]) {
    super(errors.join('\n'));
    this.errors = errors;
  }
}

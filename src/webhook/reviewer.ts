/** What the admission webhook thinks of an Ingress: what `tidegate check` would say, were it in the cluster. */
import { type ObjectKey, objectKey } from '../model/keys.ts';
import { describeObject, type Problem, type ProblemReason } from '../model/problem.ts';
import { withEdits } from '../model/shared-map.ts';
import { EMPTY_SNAPSHOT, type Ingress, type Snapshot } from '../model/snapshot.ts';
import { decodeObject } from '../sources/decode/all.ts';
import { Field } from '../sources/decode/field.ts';
import type { TranslateOptions } from '../translate/options.ts';
import { createTranslator, type Translator } from '../translate/translate.ts';

export interface Verdict {
  readonly allowed: boolean;
  /** Why not, for the user; '' when it is allowed. */
  readonly message: string;
  /** Shown by kubectl. */
  readonly warnings: readonly string[];
}

const FINE: Verdict = { allowed: true, message: '', warnings: [] };

/**
 * Errors that other objects are the cause of. They may come a moment later: `kubectl apply` of a folder creates the
 * Ingress before its Service, and cert-manager creates the Secret because there is an Ingress that wants it.
 */
const MAY_BE_MENDED: ReadonlySet<ProblemReason> = new Set<ProblemReason>([
  'ServiceNotFound',
  'PortNotFound',
  'UnsupportedProtocol',
  'NameRefused',
]);

/** About objects that the webhook does not read: it cannot tell. */
const NOT_KNOWN_HERE: ReadonlySet<ProblemReason> = new Set<ProblemReason>([
  'NoEndpoints',
  'SecretNotFound',
  'InvalidSecret',
  'CertificateExpired',
  'CertificateNotYetValid',
  'HostNotCovered',
  'NameNotResolved',
]);

const LEGACY_ANNOTATION = 'kubernetes.io/ingress.class';

export class Reviewer {
  readonly #options: TranslateOptions;
  readonly #translator: Translator;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;

  constructor(options: TranslateOptions) {
    this.#options = options;
    this.#translator = createTranslator(options);
  }

  /** What is in the cluster now. */
  update(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#translator.translate(snapshot);
  }

  /**
   * Takes an Ingress as the API server sends it, and for a change the one that it replaces: what was wrong with that
   * one already stops no change. Costs about what the change itself will cost when it comes.
   */
  review(object: unknown, old: unknown): Verdict {
    const decoded = decodeObject(object, null);
    if (decoded.kind === 'ignored' || decoded.kind === 'foreign') return FINE;
    if (decoded.kind === 'invalid' && this.#isForeign(object)) return FINE;
    const before = old === null ? new Set<string>() : this.#faultsOf(old);
    if (decoded.kind === 'invalid') {
      const faults = decoded.issues.map(({ field, message }) => `${field}: ${message}`);
      return verdictOf(
        faults.filter((fault) => !before.has(fault)),
        faults.filter((fault) => before.has(fault)),
      );
    }
    const [ingress] = decoded.records;
    if (ingress?.kind !== 'Ingress') return FINE;
    const problems = this.#problemsOf(ingress);
    const blocks = (problem: Problem): boolean =>
      problem.severity === 'error' && !MAY_BE_MENDED.has(problem.reason) && !before.has(textOf(problem));
    const [errors, rest] = [problems.filter(blocks), problems.filter((problem) => !blocks(problem))];
    return verdictOf(errors.map(textOf), rest.map(textOf));
  }

  #faultsOf(old: unknown): Set<string> {
    const decoded = decodeObject(old, null);
    if (decoded.kind === 'invalid') {
      return new Set(decoded.issues.map(({ field, message }) => `${field}: ${message}`));
    }
    const ingress = decoded.kind === 'decoded' ? decoded.records[0] : undefined;
    return new Set(ingress?.kind === 'Ingress' ? this.#problemsOf(ingress).map(textOf) : []);
  }

  /** Whether an object that cannot be read names a class that is not ours: then it is not for us to judge. */
  #isForeign(object: unknown): boolean {
    const root = new Field(object, []);
    const annotations = root.get('metadata').get('annotations');
    const name =
      root.get('spec').get('ingressClassName').textOr('') || annotations.get(LEGACY_ANNOTATION).textOr('');
    if (name === '') return false;
    const found = this.#snapshot.ingressClasses.get(objectKey('', name));
    if (found === undefined) return name !== this.#options.ingressClass;
    return found.controller !== this.#options.controller;
  }

  /** Puts the Ingress into the world for a moment; what is wrong with others because of it is not its fault. */
  #problemsOf(ingress: Ingress): Problem[] {
    const edits = new Map<ObjectKey, Ingress>([[ingress.meta.key, ingress]]);
    const ingresses = withEdits(this.#snapshot.ingresses, edits);
    const name = describeObject({ kind: 'Ingress', ...ingress.meta });
    try {
      const { problems } = this.#translator.translate({ ...this.#snapshot, ingresses });
      return problems.filter(
        ({ object, reason }) =>
          object !== null && describeObject(object) === name && !NOT_KNOWN_HERE.has(reason),
      );
    } finally {
      this.#translator.translate(this.#snapshot);
    }
  }
}

function textOf({ field, message }: Problem): string {
  return field === '' ? message : `${field}: ${message}`;
}

/** The API server passes on 4 KiB of warnings, and cuts those of more than 256 characters when they are many. */
const MAX_WARNINGS = 16;
const MAX_WARNING = 256;
const MAX_MESSAGE = 4000;

function verdictOf(errors: readonly string[], warnings: readonly string[]): Verdict {
  const message = errors.join('\n');
  return {
    allowed: errors.length === 0,
    message: shortened(message, MAX_MESSAGE),
    warnings: warnings.slice(0, MAX_WARNINGS).map((warning) => shortened(warning, MAX_WARNING)),
  };
}

function shortened(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}

/** First stage: every Ingress by itself. */
import type { ObjectKey } from '../../model/keys.ts';
import { withEdits } from '../../model/shared-map.ts';
import type { Ingress, Snapshot } from '../../model/snapshot.ts';
import type { SnapshotChanges } from '../changes.ts';
import { Dependents } from '../dependents.ts';
import type { TranslateOptions } from '../options.ts';
import type { ProblemLedger } from '../problem-ledger.ts';
import type { SecretCertificates } from '../tls/secret-certificates.ts';
import { type Ownership, ownership, ownershipProblems, parameterProblems } from './class.ts';
import { type IngressPart, translateIngress } from './ingress.ts';

/** What the later stages are told: one Ingress of ours came (`before` null), changed, or went (`after` null). */
export interface PartChange {
  readonly key: ObjectKey;
  readonly before: IngressPart | null;
  readonly after: IngressPart | null;
}

export class IngressStage {
  readonly #options: TranslateOptions;
  readonly #ledger: ProblemLedger;
  readonly #certificates: SecretCertificates;
  readonly #owners = new Map<ObjectKey, Ownership>();
  readonly #parts = new Map<ObjectKey, IngressPart>();
  readonly #byService = new Dependents<ObjectKey, ObjectKey>();
  readonly #bySecret = new Dependents<ObjectKey, ObjectKey>();

  #ours: ReadonlyMap<ObjectKey, Ingress> = new Map();
  /** No part has to be made anew because of the time before this (ms since the epoch); it may be too early. */
  nextLook = Infinity;
  #secrets: ReadonlySet<ObjectKey>;

  constructor(options: TranslateOptions, ledger: ProblemLedger, certificates: SecretCertificates) {
    this.#options = options;
    this.#ledger = ledger;
    this.#certificates = certificates;
    this.#secrets = this.#referenced();
  }

  /** The Ingresses of our class; the same map as before when none of them changed. */
  get ours(): ReadonlyMap<ObjectKey, Ingress> {
    return this.#ours;
  }

  /** The Secrets that were looked up, there or not; the same set as before when no Ingress changed in that. */
  get secrets(): ReadonlySet<ObjectKey> {
    return this.#secrets;
  }

  update(snapshot: Snapshot, changes: SnapshotChanges): PartChange[] {
    const changed: PartChange[] = [];
    const ours = new Map<ObjectKey, Ingress | undefined>();
    for (const key of changes.ingressClasses) {
      const found = snapshot.ingressClasses.get(key);
      this.#ledger.set(`class ${key}`, parameterProblems(found, this.#options));
    }
    for (const key of this.#affected(snapshot, changes)) {
      const before = this.#parts.get(key) ?? null;
      const after = this.#translate(key, snapshot, before);
      if (before !== null) this.#forget(key, before);
      if (after !== null) this.#remember(key, after);
      if (before !== null) this.#releaseSecrets(before);
      if (before !== null || after !== null) changed.push({ key, before, after });
      ours.set(key, after?.ingress);
    }
    this.#ours = withEdits(this.#ours, ours);
    if (changed.some(changesSecrets)) this.#secrets = this.#referenced();
    return changed;
  }

  #referenced(): ReadonlySet<ObjectKey> {
    const { defaultCertificate } = this.#options;
    const referenced = new Set(this.#bySecret.inputs());
    if (defaultCertificate !== null) referenced.add(defaultCertificate);
    return referenced;
  }

  #affected(snapshot: Snapshot, changes: SnapshotChanges): Set<ObjectKey> {
    const affected = new Set(changes.ingresses);
    for (const service of changes.services) addAll(affected, this.#byService.of(service));
    for (const secret of changes.secrets) addAll(affected, this.#bySecret.of(secret));
    this.#addDue(affected);
    if (changes.ingressClasses.size === 0) return affected;
    for (const [key, ingress] of snapshot.ingresses) {
      const owner = ownership(ingress, snapshot.ingressClasses, this.#options);
      if (owner !== this.#owners.get(key)) affected.add(key);
    }
    return affected;
  }

  /** Adds those whose certificates became valid or expired meanwhile. */
  #addDue(affected: Set<ObjectKey>): void {
    const now = this.#options.now();
    if (now < this.nextLook) return;
    this.nextLook = Infinity;
    for (const [key, part] of this.#parts) {
      if (part.nextLook <= now) affected.add(key);
      else this.nextLook = Math.min(this.nextLook, part.nextLook);
    }
  }

  #translate(key: ObjectKey, snapshot: Snapshot, previous: IngressPart | null): IngressPart | null {
    const ingress = snapshot.ingresses.get(key);
    if (ingress === undefined) {
      this.#owners.delete(key);
      this.#ledger.set(`ingress ${key}`, []);
      return null;
    }
    const owner = ownership(ingress, snapshot.ingressClasses, this.#options);
    this.#owners.set(key, owner);
    const part =
      owner === 'ours'
        ? translateIngress(ingress, snapshot, this.#options, this.#certificates, previous)
        : null;
    this.#ledger.set(`ingress ${key}`, part?.problems ?? ownershipProblems(ingress, owner, this.#options));
    return part;
  }

  #remember(key: ObjectKey, part: IngressPart): void {
    this.#parts.set(key, part);
    this.nextLook = Math.min(this.nextLook, part.nextLook);
    this.#byService.add(key, part.services);
    this.#bySecret.add(key, part.secrets);
  }

  #releaseSecrets({ secrets }: IngressPart): void {
    for (const secret of secrets) {
      const isDefault = secret === this.#options.defaultCertificate;
      if (!isDefault && this.#bySecret.of(secret).size === 0) this.#certificates.forget(secret);
    }
  }

  #forget(key: ObjectKey, part: IngressPart): void {
    this.#parts.delete(key);
    this.#byService.remove(key, part.services);
    this.#bySecret.remove(key, part.secrets);
  }
}

function changesSecrets({ before, after }: PartChange): boolean {
  const [old, now] = [before?.secrets ?? [], after?.secrets ?? []];
  return old.length !== now.length || old.some((key, at) => key !== now[at]);
}

function addAll<T>(set: Set<T>, more: Iterable<T>): void {
  for (const each of more) set.add(each);
}

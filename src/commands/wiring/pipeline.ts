/** The way of a change through `run`: from a snapshot to all that follows from it, in order. */
import { performance } from 'node:perf_hooks';
import { countObjects } from '../../model/object-counts.ts';
import type { Problem } from '../../model/problem.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../model/snapshot.ts';
import type { Log } from '../../observe/log.ts';
import type { ProblemLog } from '../../observe/problem-log.ts';
import type { Source } from '../../sources/source.ts';
import type { Translator } from '../../translate/translate.ts';
import type { Translation } from '../../translate/translation.ts';
import type { Addresses } from './addresses.ts';
import { Alarm } from './alarm.ts';
import type { Announcing } from './announcing.ts';
import type { Control } from './control.ts';
import type { Dataplane } from './dataplane.ts';

export interface PipelineParts {
  readonly log: Log;
  readonly source: Pick<Source, 'want' | 'isProvisional'>;
  readonly translator: Translator;
  readonly addresses: Pick<Addresses, 'update' | 'givenInCluster'>;
  /** null: nothing is announced from here. */
  readonly announcing: Pick<Announcing, 'secretsFor' | 'update'> | null;
  /** null: there is no cluster to write to. */
  readonly control: Pick<Control, 'update'> | null;
  readonly problems: ProblemLog;
  readonly dataplane: Pick<Dataplane, 'apply' | 'hasTable'>;
}

const NO_PROBLEMS: readonly Problem[] = [];

export class Pipeline {
  readonly #parts: PipelineParts;
  #newest: Snapshot = EMPTY_SNAPSHOT;
  #leads = false;
  #announces = false;
  /** Certificates become valid and expire without any object changing. */
  readonly #nextLook = new Alarm(() => this.again());

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** Takes the next snapshot. Throws what is our own mistake while there is nothing to serve yet. */
  update(snapshot: Snapshot): void {
    this.#newest = snapshot;
    try {
      this.#publish(snapshot);
    } catch (error) {
      const { dataplane, log } = this.#parts;
      // A mistake of ours must not take down what is being served; with nothing to serve, the start fails.
      if (!dataplane.hasTable) throw error;
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.error('internal-error', 'a change is not live, what was live before it stays', { message });
    }
  }

  /** Something else changed that things follow from. */
  again(): void {
    this.update(this.#newest);
  }

  /** Addresses are served here: from now on they are announced, too. */
  announce(): void {
    this.#announces = true;
    if (this.#parts.announcing !== null) this.again();
  }

  /** This replica leads until `term` aborts. Who begins to lead decides on addresses from what its predecessor wrote. */
  lead(term: AbortSignal): void {
    this.#leads = true;
    term.addEventListener('abort', () => (this.#leads = false), { once: true });
    if (this.#newest !== EMPTY_SNAPSHOT) this.again();
  }

  stop(): void {
    this.#nextLook.stop();
  }

  #publish(snapshot: Snapshot): void {
    const { source, translator, addresses, announcing, control, problems, dataplane } = this.#parts;
    const settledAt = performance.now();
    const translation = translator.translate(snapshot);
    this.#nextLook.set(translation.nextLook);
    if (!source.want(this.#wants(snapshot, translation))) return;
    const plan = addresses.update(snapshot, this.#decides() ? 'decides' : 'follows');
    const notAnnounced = this.#announces ? announcing?.update(snapshot, plan) : null;
    problems.update(translation.problems, plan.problems, notAnnounced ?? NO_PROBLEMS);
    // Of what is left of an earlier life nothing is told: the cluster may have moved on.
    if (control !== null && !source.isProvisional) {
      const { ingresses } = translation;
      const given = addresses.givenInCluster(plan);
      control.update({ snapshot, problems: problems.problems, ingresses, addresses: given });
    }
    const objects = countObjects(snapshot);
    dataplane.apply(translation.table, { settledAt, objects, problems: problems.counts });
  }

  #wants(snapshot: Snapshot, { externalNames: names, secrets }: Translation): Parameters<Source['want']>[0] {
    const { announcing } = this.#parts;
    if (announcing === null) return { names, secrets };
    return { names, secrets: secrets.union(announcing.secretsFor(snapshot)) };
  }

  /** Whether addresses of Services are decided on here. */
  #decides(): boolean {
    const { control, source } = this.#parts;
    return (this.#leads || control === null) && !source.isProvisional;
  }
}

import type { ObjectKey } from '../../model/keys.ts';
import { objectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { problemOf } from '../../model/problem-of.ts';
import type { Ingress, IngressClass } from '../../model/snapshot.ts';
import type { TranslateOptions } from '../options.ts';

/**
 * Whose an Ingress is. `unknown`: it names a class that nobody defines. `unclassed`: it names none, and no
 * class is the default. Neither is served by anyone, so both are worth a warning; `foreign` is not.
 */
export type Ownership = 'ours' | 'foreign' | 'unknown' | 'unclassed';

const LEGACY_ANNOTATION = 'kubernetes.io/ingress.class';

/**
 * Class selection of Ingress v1: the field decides, else the legacy annotation, else the default class. A
 * class name that equals `options.ingressClass` is ours also without an IngressClass object, because folders
 * of manifests often lack it.
 */
export function ownership(
  ingress: Ingress,
  classes: ReadonlyMap<ObjectKey, IngressClass>,
  options: TranslateOptions,
): Ownership {
  const named = ingress.className ?? ingress.meta.annotations.get(LEGACY_ANNOTATION) ?? '';
  // An empty annotation names none, as for ingress-nginx.
  if (named !== '') {
    const found = classes.get(objectKey('', named));
    if (found !== undefined) return found.controller === options.controller ? 'ours' : 'foreign';
    if (named === options.ingressClass) return 'ours';
    // Annotation values never needed an object: that one is missing says nothing.
    return ingress.className === null ? 'foreign' : 'unknown';
  }
  if (options.watchIngressWithoutClass) return 'ours';
  const fallback = defaultClass(classes);
  if (fallback === null) return 'unclassed';
  return fallback.controller === options.controller ? 'ours' : 'foreign';
}

/** Of several default classes the newest, then the first by name: as the API server's admission does. */
function defaultClass(classes: ReadonlyMap<ObjectKey, IngressClass>): IngressClass | null {
  let chosen: IngressClass | null = null;
  for (const candidate of classes.values()) {
    if (!candidate.isDefault) continue;
    if (chosen === null || isPreferredDefault(candidate.meta, chosen.meta)) chosen = candidate;
  }
  return chosen;
}

function isPreferredDefault(a: IngressClass['meta'], b: IngressClass['meta']): boolean {
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp > b.creationTimestamp;
  return a.name < b.name;
}

/** There is nothing that parameters could set: whoever refers to some expects more than happens. */
export function parameterProblems(
  ingressClass: IngressClass | undefined,
  options: TranslateOptions,
): readonly Problem[] {
  if (ingressClass?.controller !== options.controller || ingressClass.parameters === null) return [];
  const message = `parameters of a class are not supported, ${ingressClass.parameters} is not read; the class works without`;
  return [
    problemOf(ingressClass, {
      severity: 'warning',
      reason: 'UnsupportedParameters',
      field: 'spec.parameters',
      message,
    }),
  ];
}

export function ownershipProblems(
  ingress: Ingress,
  owner: Ownership,
  options: TranslateOptions,
): readonly Problem[] {
  if (owner === 'unknown') {
    const message = `"${ingress.className}" names no IngressClass; the Ingress is ignored. Ours is "${options.ingressClass}"`;
    return [
      problemOf(ingress, {
        severity: 'warning',
        reason: 'UnknownClass',
        field: 'spec.ingressClassName',
        message,
      }),
    ];
  }
  if (owner === 'unclassed') {
    const message = `no class is named and no IngressClass is the default; the Ingress is ignored. Set it to "${options.ingressClass}"`;
    return [
      problemOf(ingress, {
        severity: 'warning',
        reason: 'UnknownClass',
        field: 'spec.ingressClassName',
        message,
      }),
    ];
  }
  return [];
}

/**
 * Label selectors in the form they are matched in (`metav1.LabelSelector`). Decoded once; `matchLabels` are
 * requirements like any other.
 */
export type LabelRequirement =
  | { readonly key: string; readonly operator: 'In' | 'NotIn'; readonly values: readonly string[] }
  | { readonly key: string; readonly operator: 'Exists' | 'DoesNotExist' };

/** All requirements must hold; none at all matches everything. */
export type LabelSelector = readonly LabelRequirement[];

/** Whether `labels` satisfy every requirement. As in Kubernetes, an absent label satisfies NotIn. */
export function matchesLabels(selector: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  return selector.every((requirement) => holds(requirement, labels));
}

/** For the lists of MetalLB's kinds: one selector of the list must match; an empty list means "all". */
export function matchesAny(
  selectors: readonly LabelSelector[],
  labels: ReadonlyMap<string, string>,
): boolean {
  return selectors.length === 0 || selectors.some((selector) => matchesLabels(selector, labels));
}

function holds(requirement: LabelRequirement, labels: ReadonlyMap<string, string>): boolean {
  const value = labels.get(requirement.key);
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value);
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return requirement satisfies never;
  }
}

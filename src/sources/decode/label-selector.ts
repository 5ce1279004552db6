import type { LabelRequirement, LabelSelector } from '../../model/label-selector.ts';
import type { Field } from './field.ts';

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
const MAX_SELECTORS = 1000;
const MAX_REQUIREMENTS = 1000;
const MAX_VALUES = 1000;
/** Far above a label key (253 + 1 + 63) or value (63). */
const MAX_TEXT = 317;

/** `metav1.LabelSelector`. The same requirement twice and the same value twice are mistakes, as in MetalLB. */
export function decodeLabelSelector(field: Field): LabelSelector {
  const labels = field
    .get('matchLabels')
    .entries(MAX_REQUIREMENTS)
    .map(([key, value]): LabelRequirement => {
      return { key, operator: 'In', values: [value.freeText(MAX_TEXT)] };
    });
  const expressions = field.get('matchExpressions').list(MAX_REQUIREMENTS);
  const requirements = expressions.map(decodeRequirement);
  failRepeated(expressions, requirements.map(spelling));
  return [...labels, ...requirements];
}

/** A list of selectors, no two of which are equal. */
export function decodeLabelSelectors(field: Field): readonly LabelSelector[] {
  const fields = field.list(MAX_SELECTORS);
  const selectors = fields.map(decodeLabelSelector);
  failRepeated(
    fields,
    selectors.map((selector) => selector.map(spelling).sort().join('\n')),
  );
  return selectors;
}

/** Reports each element whose text stood above already. */
export function failRepeated(fields: readonly Field[], texts: readonly string[]): void {
  const seen = new Set<string>();
  for (const [index, text] of texts.entries()) {
    if (seen.has(text)) fields[index]?.fail('is there twice: remove one');
    seen.add(text);
  }
}

function decodeRequirement(field: Field): LabelRequirement {
  const key = field.get('key').text();
  const operator = field.get('operator').oneOf(OPERATORS);
  const valuesField = field.get('values');
  const fields = valuesField.list(MAX_VALUES);
  const values = fields.map((value) => value.freeText(MAX_TEXT));
  failRepeated(fields, values);
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) valuesField.fail(`is required with operator ${operator}, at least one value`);
    return { key, operator, values };
  }
  if (values.length > 0) valuesField.fail(`must be empty with operator ${operator}`);
  return { key, operator };
}

/** Equal for requirements that mean the same, whatever the order of their values. */
function spelling(requirement: LabelRequirement): string {
  const values = 'values' in requirement ? requirement.values.toSorted() : [];
  return JSON.stringify([requirement.key, requirement.operator, values]);
}

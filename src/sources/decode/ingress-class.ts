import type { FilePosition } from '../../model/problem.ts';
import type { IngressClass } from '../../model/snapshot.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';
import { CONTROLLER_NAME } from './syntax.ts';

const DEFAULT_CLASS_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

/** networking.k8s.io/v1 IngressClass. */
export function decodeIngressClass(object: Field, position: FilePosition | null): IngressClass {
  const spec = object.get('spec');
  const meta = decodeMeta(object, 'cluster', position);
  return {
    kind: 'IngressClass',
    meta,
    controller: spec.get('controller').text(CONTROLLER_NAME),
    isDefault: meta.annotations.get(DEFAULT_CLASS_ANNOTATION) === 'true',
    parameters: describeParameters(spec.get('parameters')),
  };
}

/** Nothing is read from it: it is enough to know what to name in a message. */
function describeParameters(field: Field): string | null {
  if (!field.present) return null;
  const [kind, name] = [field.get('kind').text(), field.get('name').text()];
  const namespace = field.get('namespace').textOr('');
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`;
}

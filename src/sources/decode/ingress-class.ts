import type { FilePosition } from '../../model/problem.ts';
import type { IngressClass } from '../../model/snapshot.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';
import { CONTROLLER_NAME } from './syntax.ts';

const DEFAULT_CLASS_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

/** networking.k8s.io/v1 IngressClass. */
export function decodeIngressClass(object: Field, position: FilePosition | null): IngressClass {
  const meta = decodeMeta(object, 'cluster', position);
  return {
    kind: 'IngressClass',
    meta,
    controller: object.get('spec').get('controller').text(CONTROLLER_NAME),
    isDefault: meta.annotations.get(DEFAULT_CLASS_ANNOTATION) === 'true',
  };
}

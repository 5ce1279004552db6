/** Secrets that annotations name: which of them Tidegate reads. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ingress, meta } from '../../../test/kit/objects.ts';
import { OPTIONS } from '../../../test/kit/translate-options.ts';
import { objectKey } from '../../model/keys.ts';
import { EMPTY_SNAPSHOT } from '../../model/snapshot.ts';
import { createTranslator } from '../translate.ts';

const PREFIX = 'nginx.ingress.kubernetes.io';

/** The Secrets that an Ingress of namespace `ns` with this annotation makes Tidegate read. */
function readFor(annotation: string, value: string): string[] {
  const annotations = new Map([[`${PREFIX}/${annotation}`, value]]);
  const rules = [{ host: 'a.test', paths: [] }];
  const object = ingress('web', { meta: meta('web', { annotations }), rules });
  const ingresses = new Map([[objectKey('ns', 'web'), object]]);
  return [...createTranslator(OPTIONS).translate({ ...EMPTY_SNAPSHOT, version: 1, ingresses }).secrets];
}

for (const annotation of ['auth-tls-secret', 'proxy-ssl-secret']) {
  describe(annotation, () => {
    const table: [what: string, value: string, expected: string[]][] = [
      ['a Secret of the own namespace is read', 'ns/ca', ['ns/ca']],
      ['one of another namespace is not', 'kube-system/ca', []],
      ['nothing is read of what is no name: it would be part of a path', 'ns/..', []],
      ['nothing of what is no name at all', 'ns/ca/more', []],
      ['nothing of half a name', 'ns/', []],
    ];
    for (const [what, value, expected] of table) {
      test(what, () => assert.deepEqual(readFor(annotation, value), expected));
    }
  });
}

import type { TlsVersion } from '../../model/upstream-tls.ts';
import type { Annotation } from './annotation.ts';

const SUPPORTED: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];
/** Named by many, understood by ingress-nginx, and broken: left out where a better one is named, too. */
const BROKEN: ReadonlySet<string> = new Set(['SSLv2', 'SSLv3', 'TLSv1', 'TLSv1.1']);

export const proxySslProtocols: Annotation = {
  name: 'proxy-ssl-protocols',
  doc: 'Versions of TLS for backends with TLS: TLSv1.2, TLSv1.3 or both, the default; older ones are not spoken.',
  parse(value) {
    const named = value.split(/\s+/);
    const versions = SUPPORTED.filter((version) => named.includes(version));
    const [minVersion] = versions;
    const maxVersion = versions.at(-1);
    const known = named.every((each) => BROKEN.has(each) || SUPPORTED.includes(each as TlsVersion));
    if (minVersion === undefined || maxVersion === undefined || !known)
      return { kind: 'invalid', expected: `one or more of ${SUPPORTED.join(', ')}, separated by blanks` };
    return { kind: 'backend', backend: { minVersion, maxVersion } };
  },
};

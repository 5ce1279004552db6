import type { TranslateOptions } from '../../src/translate/options.ts';

export const OPTIONS: TranslateOptions = {
  controller: 'tidegate.io/ingress-controller',
  ingressClass: 'tidegate',
  watchIngressWithoutClass: false,
  hostSharing: 'any-namespace',
  defaultBalance: { kind: 'round-robin' },
  defaultPolicy: {
    maxBodyBytes: 0,
    connectTimeoutMs: 2000,
    responseTimeoutMs: 60_000,
    sendTimeoutMs: 30_000,
    retries: 2,
    tlsRedirect: 'with-tls',
    keepTrailingSlash: false,
  },
  externalNames: { enabled: true, allowLoopback: false },
  defaultCertificate: null,
  fallbackCertificate: null,
  now: () => Date.UTC(2026, 0, 1),
};

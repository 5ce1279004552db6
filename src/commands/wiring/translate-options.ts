import type { Certificate } from '../../model/certificate.ts';
import { objectKey } from '../../model/keys.ts';
import type { CommonSettings } from '../../settings/settings.ts';
import type { TranslateOptions } from '../../translate/options.ts';

/** Attempts after the first, as ingress-nginx does by default (proxy-next-upstream-tries 3). */
const RETRIES = 2;

/**
 * What the settings say about translation; the same for `run`, `check` and `explain`. `fallback` is what hosts
 * without a certificate are served with when there is no default one; null where nothing is served.
 */
export function translateOptions(settings: CommonSettings, fallback: Certificate | null): TranslateOptions {
  const {
    defaultCertificate,
    controller,
    ingressClass,
    watchIngressWithoutClass,
    hostSharing,
    balance,
    externalNames,
    limits,
    timeouts,
  } = settings;
  return {
    controller,
    ingressClass,
    watchIngressWithoutClass,
    hostSharing,
    defaultBalance: balance,
    defaultPolicy: {
      maxBodyBytes: limits.bodyBytes,
      connectTimeoutMs: timeouts.connect,
      responseTimeoutMs: timeouts.response,
      sendTimeoutMs: timeouts.upstreamSendIdle,
      retries: RETRIES,
      tlsRedirect: settings.sslRedirect ? 'with-tls' : 'never',
      keepTrailingSlash: false,
    },
    externalNames,
    defaultCertificate:
      defaultCertificate === null ? null : objectKey(defaultCertificate.namespace, defaultCertificate.name),
    fallbackCertificate: fallback,
    now: Date.now,
  };
}

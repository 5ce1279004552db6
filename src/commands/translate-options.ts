import type { CommonSettings } from '../settings/settings.ts';
import type { TranslateOptions } from '../translate/options.ts';

/** Attempts after the first, as ingress-nginx does by default (proxy-next-upstream-tries 3). */
const RETRIES = 2;

/** What the settings say about translation; the same for `run`, `check` and `explain`. */
export function translateOptions(settings: CommonSettings): TranslateOptions {
  const { controller, ingressClass, watchIngressWithoutClass, balance, externalNames, limits, timeouts } =
    settings;
  return {
    controller,
    ingressClass,
    watchIngressWithoutClass,
    defaultBalance: balance,
    defaultPolicy: {
      maxBodyBytes: limits.bodyBytes,
      connectTimeoutMs: timeouts.connect,
      responseTimeoutMs: timeouts.response,
      sendTimeoutMs: timeouts.upstreamSendIdle,
      retries: RETRIES,
    },
    externalNames,
  };
}

/**
 * ingress-nginx annotations that are not implemented and need not be mentioned, because what they ask for is
 * what happens anyway, or because they tune something that exists only inside nginx.
 */

const TUNING = new Set([
  'client-body-buffer-size',
  'enable-rewrite-log',
  'http2-push-preload',
  'proxy-buffer-size',
  'proxy-buffers-number',
  'proxy-busy-buffers-size',
  'proxy-max-temp-file-size',
]);

const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** Features by the values that switch them off, or ask for what is done in any case. */
const WITHOUT_EFFECT: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['canary', FALSE],
  ['enable-access-log', new Set(['true', 'True', 'TRUE', '1', 't', 'T'])],
  ['enable-cors', FALSE],
  ['enable-modsecurity', FALSE],
  ['from-to-www-redirect', FALSE],
  ['proxy-buffering', new Set(['off'])],
  ['proxy-http-version', new Set(['1.1'])],
  ['proxy-redirect-from', new Set(['off', 'default'])],
  ['proxy-request-buffering', new Set(['off'])],
  ['service-upstream', FALSE],
  ['use-regex', FALSE],
]);

/** Takes the name without prefix. */
export function isHarmless(name: string, value: string): boolean {
  return TUNING.has(name) || (WITHOUT_EFFECT.get(name)?.has(value) ?? false);
}

/**
 * Every annotation that is understood, in the order in which they take effect: where two set the same thing,
 * the later one wins.
 */
import type { Annotation } from './annotation.ts';
import { authTlsErrorPage } from './auth-tls-error-page.ts';
import { authTlsMatchCn } from './auth-tls-match-cn.ts';
import { authTlsPassCertificateToUpstream } from './auth-tls-pass-certificate-to-upstream.ts';
import { authTlsSecret } from './auth-tls-secret.ts';
import { authTlsVerifyClient } from './auth-tls-verify-client.ts';
import { authTlsVerifyDepth } from './auth-tls-verify-depth.ts';
import { backendProtocol } from './backend-protocol.ts';
import { forceSslRedirect } from './force-ssl-redirect.ts';
import { loadBalance } from './load-balance.ts';
import { preserveTrailingSlash } from './preserve-trailing-slash.ts';
import { proxyBodySize } from './proxy-body-size.ts';
import { proxyConnectTimeout } from './proxy-connect-timeout.ts';
import { proxyNextUpstreamTries } from './proxy-next-upstream-tries.ts';
import { proxyReadTimeout } from './proxy-read-timeout.ts';
import { proxySendTimeout } from './proxy-send-timeout.ts';
import { proxySslCiphers } from './proxy-ssl-ciphers.ts';
import { proxySslName } from './proxy-ssl-name.ts';
import { proxySslProtocols } from './proxy-ssl-protocols.ts';
import { proxySslSecret } from './proxy-ssl-secret.ts';
import { proxySslServerName } from './proxy-ssl-server-name.ts';
import { proxySslVerify } from './proxy-ssl-verify.ts';
import { proxySslVerifyDepth } from './proxy-ssl-verify-depth.ts';
import { sslPassthrough } from './ssl-passthrough.ts';
import { sslRedirect } from './ssl-redirect.ts';
import { upstreamHashBy } from './upstream-hash-by.ts';

export const ALL_ANNOTATIONS: readonly Annotation[] = [
  proxyBodySize,
  proxyConnectTimeout,
  proxySendTimeout,
  proxyReadTimeout,
  proxyNextUpstreamTries,
  backendProtocol,
  proxySslSecret,
  proxySslVerify,
  proxySslVerifyDepth,
  proxySslName,
  proxySslServerName,
  proxySslCiphers,
  proxySslProtocols,
  loadBalance,
  sslRedirect,
  forceSslRedirect, // after ssl-redirect, which it overrides
  preserveTrailingSlash,
  authTlsSecret,
  authTlsVerifyClient,
  authTlsVerifyDepth,
  authTlsPassCertificateToUpstream,
  authTlsMatchCn,
  authTlsErrorPage,
  sslPassthrough,
  upstreamHashBy, // after load-balance, which it overrides in ingress-nginx
];

/** Where an annotation is given under both, the later prefix wins: ours says it more exactly. */
export const ANNOTATION_PREFIXES = ['nginx.ingress.kubernetes.io/', 'tidegate.io/'] as const;

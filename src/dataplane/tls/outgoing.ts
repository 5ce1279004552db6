/** TLS towards one endpoint: the settings, and what connections to it have in common. */
import type { UpstreamProtocol } from '../../model/routing-table.ts';
import type { UpstreamTlsPatch } from '../../model/upstream-tls.ts';

export class OutgoingTls {
  readonly settings: UpstreamTlsPatch;
  /** What is offered by ALPN (RFC 7301). */
  readonly protocol: 'h2' | 'http/1.1';

  constructor(settings: UpstreamTlsPatch, protocol: UpstreamProtocol) {
    this.settings = settings;
    this.protocol = protocol === 'http2' ? 'h2' : 'http/1.1';
  }
}

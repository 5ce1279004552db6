/** What all connections and exchanges of one worker share. */
import type { AccessLog } from '../access-log.ts';
import type { DataplaneConfig } from '../config.ts';
import type { ClientAuthHosts } from '../filters/client-certificate.ts';
import type { TlsHosts } from '../filters/tls-redirect.ts';
import type { LiveTable } from '../route/table.ts';
import type { Series, Stats } from '../stats.ts';
import type { TimerWheel } from '../timers.ts';
import type { Transport } from '../transport/stream.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { Exchange } from './exchange.ts';
import type { LiveRoute } from './live-route.ts';
import type { TrustedProxies } from './peer.ts';
import type { UpstreamConnection, UpstreamSide } from './sides.ts';

/** Opens a connection to an endpoint for an exchange, which gets `onConnected` or `onUpstreamFailed`. */
export type Connector = (
  dataplane: Dataplane,
  endpoint: Endpoint<UpstreamConnection>,
  exchange: Exchange,
) => UpstreamSide;

export interface Dataplane {
  readonly config: DataplaneConfig;
  readonly transport: Transport;
  readonly connect: Connector;
  readonly wheel: TimerWheel;
  readonly table: LiveTable<LiveRoute>;
  readonly stats: Stats;
  readonly accessLog: AccessLog;
  readonly trusted: TrustedProxies;
  /** Counts what never became a request, and what no route served. */
  readonly refused: Series;
  /** `Server: …` line for responses that have none; '' for no such line. */
  readonly serverLine: string;
  /** `Strict-Transport-Security: …` line for responses over TLS; '' for no such line. */
  readonly hstsLine: string;
  /** Runs the task in `ms`, of which there are few; what it throws is told as any fault of ours. */
  readonly later: (ms: number, task: () => void) => void;
  readonly tlsHosts: TlsHosts & ClientAuthHosts;
  /** Requests in flight. */
  active: number;
  tunnels: number;
  /** Finish what runs, take nothing new. */
  draining: boolean;
}

/** What two OPENs agree on (RFC 4271 section 6.2 and 4.2), and what an unacceptable one is answered with. */

import { wantedFourOctetAs } from './capabilities.ts';
import type { FsmConfig } from './fsm-types.ts';
import type { Family, Open } from './message.ts';
import { CeaseReason, cease, type Notification, notification, OPEN_ERROR } from './notification.ts';

/** What holds for the life of a session. */
export interface Negotiated {
  readonly peerAs: number;
  readonly peerRouterId: number;
  /** Both sides are the same AS. */
  readonly internal: boolean;
  /** Seconds; 0: the session lives without keepalives. */
  readonly holdTime: number;
  readonly keepaliveSeconds: number;
  readonly families: readonly Family[];
  readonly fourOctetAs: boolean;
  readonly routeRefresh: boolean;
  /** IPv4 prefixes may go out with an IPv6 next hop. */
  readonly extendedNextHop: boolean;
  /** Both sides do graceful restart. */
  readonly gracefulRestart: boolean;
}

/** `restarting`: we started not long ago, and our routes may still be held by the peer (RFC 4724 section 4.1). */
export function ourOpen(config: FsmConfig, restarting: boolean): Open {
  const { gracefulRestart } = config;
  return {
    type: 'open',
    as: config.localAs,
    holdTime: config.holdSeconds,
    routerId: config.routerId,
    capabilities: {
      families: config.families,
      fourOctetAs: true,
      routeRefresh: true,
      extendedNextHop: config.extendedNextHop,
      gracefulRestart:
        gracefulRestart === null
          ? null
          : {
              restarting,
              seconds: gracefulRestart.seconds,
              families: config.families.map((family) => ({
                family,
                forwarding: gracefulRestart.forwardingPreserved,
              })),
            },
    },
  };
}

/** Gives what was agreed on, or the NOTIFICATION that refuses the peer. */
export function negotiate(config: FsmConfig, open: Open): Negotiated | Notification {
  const internal = open.as === config.localAs;
  if (!acceptsAs(config, open.as)) return notification(OPEN_ERROR, 2);
  // RFC 6286 section 2.2: identifiers need only differ within an AS.
  if (internal && open.routerId === config.routerId) return notification(OPEN_ERROR, 3);
  const { capabilities } = open;
  // A 2-octet speaker would see AS_TRANS as the AS of its neighbour, which no iBGP or private setup expects.
  if (config.localAs > 0xffff && internal && !capabilities.fourOctetAs)
    return notification(OPEN_ERROR, 7, wantedFourOctetAs(config.localAs));
  const theirs = capabilities.families ?? ['ipv4'];
  const families = config.families.filter((family) => theirs.includes(family));
  if (families.length === 0) return cease(CeaseReason.connectionRejected);
  const holdTime = Math.min(config.holdSeconds, open.holdTime);
  return {
    peerAs: open.as,
    peerRouterId: open.routerId,
    internal,
    holdTime,
    // 0 ("none") beside a hold time would only end the session.
    keepaliveSeconds: Math.min(config.keepaliveSeconds || Number.POSITIVE_INFINITY, holdTime / 3),
    families,
    fourOctetAs: capabilities.fourOctetAs,
    routeRefresh: capabilities.routeRefresh,
    extendedNextHop: config.extendedNextHop && capabilities.extendedNextHop,
    gracefulRestart: config.gracefulRestart !== null && capabilities.gracefulRestart !== null,
  };
}

function acceptsAs({ peerAs, localAs }: FsmConfig, as: number): boolean {
  if (peerAs === 'internal') return as === localAs;
  if (peerAs === 'external') return as !== localAs;
  return as === peerAs;
}

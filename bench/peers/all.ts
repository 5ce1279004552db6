/** Who is measured, in the order of the report. */
import { caddy } from './caddy.ts';
import { haproxy } from './haproxy.ts';
import { httpProxy3 } from './http-proxy-3.ts';
import { nginx } from './nginx.ts';
import type { Peer } from './peer.ts';
import { tidegate } from './tidegate.ts';
import { uWebSockets } from './uwebsockets.ts';

export const PEERS: readonly Peer[] = [tidegate, nginx, haproxy, caddy, httpProxy3, uWebSockets];

/** The peer that ratios refer to. */
export const REFERENCE = nginx;

/** What is announced from this node, and as which node. */
import { hostname } from 'node:os';
import type { OptionReader } from './cluster.ts';
import { OPTIONS } from './options.ts';
import type { ListenAddress } from './values.ts';

export interface SpeakerSettings {
  readonly nodeName: string;
  /** null: nobody can connect to us. */
  readonly bgpListen: ListenAddress | null;
  /** Regular expressions. */
  readonly excludedInterfaces: readonly string[];
  /** File; null: there are no other speakers. */
  readonly key: string | null;
  readonly port: number;
  /** Milliseconds. */
  readonly heartbeatMs: number;
  readonly stop: 'auto' | 'withdraw' | 'keep';
  readonly announceExternalIps: boolean;
  /** Announce from nodes that are to be left out of load balancing, too. */
  readonly announceExcludedNodes: boolean;
}

export function speakerSettings(
  reader: OptionReader,
  environment: Readonly<Record<string, string | undefined>>,
): SpeakerSettings {
  const { NODE_NAME: nodeName } = environment;
  const heartbeatMs = reader.read(OPTIONS.speakerHeartbeat);
  if (heartbeatMs < 20 || heartbeatMs > 10_000) {
    const where = reader.whereSet(OPTIONS.speakerHeartbeat);
    reader.errors.push(`${where}: ${heartbeatMs} ms is not valid: expected 20ms to 10s.`);
  }
  return {
    // The kubelet registers the host name in lower case.
    nodeName: reader.read(OPTIONS.nodeName) ?? (nodeName || hostname().toLowerCase()),
    bgpListen: reader.read(OPTIONS.bgpListen),
    excludedInterfaces: reader.read(OPTIONS.excludedInterfaces),
    key: reader.read(OPTIONS.speakerKey),
    port: reader.read(OPTIONS.speakerPort),
    heartbeatMs,
    stop: reader.read(OPTIONS.speakerStop),
    announceExternalIps: reader.read(OPTIONS.announceExternalIps),
    announceExcludedNodes: reader.read(OPTIONS.announceExcludedNodes),
  };
}

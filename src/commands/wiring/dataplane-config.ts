/** From the settings to what a data-plane worker is told at its start. */
import { selfSignedCertificate } from '../../certificates/self-signed.ts';
import type { DataplaneConfig, Limits, ListenerConfig } from '../../dataplane/config.ts';
import type { Certificate } from '../../model/certificate.ts';
import type { Log } from '../../observe/log.ts';
import { connectionsFor, openFileLimit } from '../../settings/open-files.ts';
import type { Settings } from '../../settings/settings.ts';

/** Made at each start: nobody shall get used to trusting it. */
export function fallbackCertificate(settings: Settings): Certificate | null {
  return settings.https === null ? null : selfSignedCertificate(Date.now());
}

/** What the workers are told once; `log` hears of limits that this machine lowers. */
export function dataplaneConfig(settings: Settings, log: Log): DataplaneConfig {
  const { http, https, trustedProxies, sendForwarded, serverName, accessLog, tls } = settings;
  const { upgrades, http2Cleartext, timeouts } = settings;
  const listeners: ListenerConfig[] = [];
  if (http !== null) listeners.push({ name: 'http', scheme: 'http', ...http });
  if (https !== null) listeners.push({ name: 'https', scheme: 'https', ...https });
  return {
    transport: 'net',
    listeners,
    trustedProxies,
    sendForwarded,
    serverName,
    accessLog,
    tls,
    upgrades,
    http2Cleartext,
    limits: limitsWithin(settings, log),
    timeouts,
  };
}

/** The limits, with no more connections than the process may open files for. */
function limitsWithin({ limits, workers }: Settings, log: Log): Limits {
  const files = openFileLimit();
  const connections = Math.min(limits.connections, connectionsFor(files, workers));
  if (connections < limits.connections) {
    log.debug('limit-lowered', 'fewer connections per worker than set: the process may not open more files', {
      connections,
      set: limits.connections,
      open_files: files,
    });
  }
  return { ...limits, connections };
}

import type { KubernetesApi } from '../../kubernetes/api.ts';
import type { Kind } from '../../model/snapshot.ts';
import type { Log } from '../../observe/log.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { KubernetesSettings, Settings } from '../../settings/settings.ts';
import { version } from '../../settings/version.ts';
import { manifestsSource } from '../../sources/manifests/manifests.ts';
import type { Source } from '../../sources/source.ts';
import { addressOptions } from './address-options.ts';

export interface OpenedSource {
  readonly source: Source;
  /** What else talks to the API server goes through this; null for a folder of manifests. */
  readonly api: KubernetesApi | null;
}

/**
 * The source that the settings name; not started yet. Of a cluster only `kinds` are read when they are given.
 * Rejects with a message for the user.
 */
export async function openSource(
  settings: Pick<Settings, 'source' | 'dnsServers' | 'addresses'>,
  log: Log,
  metrics: Metrics,
  kinds?: readonly Kind[],
): Promise<OpenedSource> {
  const { source, dnsServers } = settings;
  if (source.kind === 'kubernetes') {
    const metallbNamespace = addressOptions(settings.addresses, 'kubernetes').poolNamespace ?? undefined;
    return openKubernetes(source, { dnsServers, kinds, metallbNamespace }, log, metrics);
  }
  metrics.showSource(() => 0);
  return { source: manifestsSource({ directory: source.directory, dnsServers }), api: null };
}

interface Reading {
  readonly dnsServers: readonly string[];
  readonly kinds: readonly Kind[] | undefined;
  readonly metallbNamespace: string | undefined;
}

async function openKubernetes(
  settings: KubernetesSettings,
  reading: Reading,
  log: Log,
  metrics: Metrics,
): Promise<OpenedSource> {
  const { dnsServers, kinds, metallbNamespace } = reading;
  const { kubeconfig, context, namespaces, watchIdleMs, cache } = settings;
  // Who serves a folder need not carry the client library along.
  const [{ openApi }, { kubernetesSource }] = await Promise.all([
    import('../../kubernetes/api.ts'),
    import('../../sources/kubernetes/kubernetes.ts'),
  ]);
  const opened = await openApi({
    kubeconfig,
    context,
    environment: process.env,
    userAgent: `tidegate/${version()} (${process.platform}/${process.arch})`,
    onRequest: ({ verb, resource }, code) => metrics.countApiRequest(verb, resource, code),
  });
  if (!opened.ok) throw new Error(`the source kubernetes cannot be used: ${opened.message}`);
  const { api } = opened;
  const source = kubernetesSource({
    api,
    namespaces,
    ...(kinds && { kinds }),
    ...(metallbNamespace !== undefined && { metallbNamespace }),
    dnsServers,
    watchIdleMs,
    cache: cache === null ? null : { ...cache, version: version(), server: api.server },
    onEvent: (level, event, message, fields) => log[level](event, message, fields),
  });
  metrics.showSource(() => source.behindMs);
  return { source, api };
}

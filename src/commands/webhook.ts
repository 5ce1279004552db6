/** `tidegate webhook`: source → reviewer ← API server, with a certificate from files or of our own making. */
import { readFile } from 'node:fs/promises';
import type { KubernetesApi } from '../kubernetes/api.ts';
import { formatSocketAddress } from '../model/ip-text.ts';
import type { Kind, Snapshot } from '../model/snapshot.ts';
import type { Log, LogOutput } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import type { WebhookSettings } from '../settings/cluster.ts';
import type { WebhookCommandSettings } from '../settings/settings.ts';
import { version } from '../settings/version.ts';
import { CertificateKeeper } from '../webhook/certificate-keeper.ts';
import {
  ensureServing,
  ensureTrust,
  type Managed,
  type ManagedOptions,
} from '../webhook/managed-certificate.ts';
import { Reviewer } from '../webhook/reviewer.ts';
import { type KeyPair, startWebhook, type WebhookServer } from '../webhook/server.ts';
import { unlessStopped } from './process/stop-signal.ts';
import { untilStopped } from './process/until-stopped.ts';
import { openSource } from './wiring/open-source.ts';
import { translateOptions } from './wiring/translate-options.ts';

/** What a verdict depends on: no Secrets, no endpoints. */
const KINDS: readonly Kind[] = ['Ingress', 'IngressClass', 'Service'];
const NAME = 'tidegate-webhook';
/** How often certificate and configuration are looked at: a renewal has a month for it. */
const CHECK_MS = 600_000;
const RETRY_MS = 5000;

/** Reviews until it is told to stop. Sets the exit code. */
export function webhook(settings: WebhookCommandSettings): Promise<void> {
  const leaving = 'answering what was asked';
  return untilStopped(settings, leaving, (output, stop) => start(settings, output, stop));
}

/** Resolves once it can review, with what ends it all. Rejects with a message for the user, and when `stopped` aborts. */
async function start(
  settings: WebhookCommandSettings,
  output: LogOutput,
  stopped: AbortSignal,
): Promise<() => Promise<void>> {
  const { log } = output;
  const { webhook: own } = settings;
  if (own.listen === null) throw new Error('--webhook: off: there is nothing else to do');
  const metrics = new Metrics({ version: version(), droppedLines: output.droppedLines });
  const { source, api } = await openSource(settings, log, metrics, KINDS);
  const reviewer = new Reviewer(translateOptions(settings, null));
  let ready = false;
  let server: WebhookServer | null = null;
  const keeper = new CertificateKeeper({
    look: certificateOf(own, api, log),
    checkMs: CHECK_MS,
    retryMs: RETRY_MS,
    onRenewed: (keyPair) => server?.use(keyPair),
    onTrouble: (message) => log.warn('webhook-certificate', message),
  });
  const stop = async (): Promise<void> => {
    ready = false;
    keeper.close();
    await Promise.all([server?.close(), source.close()]);
  };
  try {
    server = await startWebhook({
      ...own.listen,
      keyPair: await unlessStopped(stopped, keeper.start()),
      isReady: () => ready,
      review: (object, old) => reviewer.review(object, old),
      onReview: (uid, { allowed, message }) => {
        if (!allowed) log.info('ingress-refused', message, { uid });
      },
      onFault: (error) => log.error('review-failed', error.message, { stack: error.stack }),
    });
    const onSnapshot = (snapshot: Snapshot): void => {
      source.want({ names: NOTHING, secrets: NOTHING });
      reviewer.update(snapshot);
      ready = true;
    };
    await unlessStopped(stopped, source.start(onSnapshot));
  } catch (error) {
    await stop();
    throw error;
  }
  const bound = formatSocketAddress(server.address, server.port);
  output.ready('reviewing', { addresses: { webhook: [bound] } });
  return stop;
}

const NOTHING: ReadonlySet<never> = new Set();

type Look = () => Promise<Managed<KeyPair>>;

/** Where the certificate comes from. */
function certificateOf(settings: WebhookSettings, api: KubernetesApi | null, log: Log): Look {
  const { files, pod } = settings;
  if (files !== null) {
    const read = (path: string) => readFile(path, 'utf8');
    return async () => {
      const [certificate, key] = [await read(files.certificate), await read(files.key)];
      return { ok: true, value: { certificate, key } };
    };
  }
  if (api === null) {
    throw new Error(
      '--webhook-certificate: expected with --source manifests: there is no cluster to keep one in',
    );
  }
  const namespace = pod.namespace ?? api.namespace;
  const managed: ManagedOptions = {
    api,
    secret: settings.secret ?? { namespace, name: NAME },
    service: settings.service ?? { namespace, name: NAME },
    configuration: settings.configuration,
    now: Date.now,
  };
  return () => servingOf(managed, log);
}

/** Without the Secret there is no certificate; a configuration that is missing is only said. */
async function servingOf(managed: ManagedOptions, log: Log): Promise<Managed<KeyPair>> {
  const serving = await ensureServing(managed);
  if (!serving.ok) return serving;
  const trust = await ensureTrust(managed, serving.value.authority);
  if (!trust.ok) log.warn('webhook-trust', trust.message);
  else if (trust.value) log.info('webhook-trust', 'the API server was told the authority of the certificate');
  return serving;
}

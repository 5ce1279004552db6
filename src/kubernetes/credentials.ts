/** What proves who we are, kept fresh: tokens and certificates are replaced on disk, plugins' answers expire. */
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import type { User } from '@kubernetes/client-node/dist/config_types.js';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import type { ClusterChoice } from './kubeconfig.ts';

/** For one request; never to be logged. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername'>;
}

/** A bound token is replaced when a fifth of its life is left: at least twelve minutes before it ends. */
const KEEP_MS = 60_000;
/** A plugin may ask somebody far away, but not for ever. */
const PLUGIN_TIMEOUT_MS = 30_000;

type Plugin = (request: RequestOptions) => Promise<void>;

export class CredentialSource {
  readonly #choice: ClusterChoice;
  #plugin: Plugin | null = null;
  #current: Promise<Credentials> | null = null;
  #readAt = 0;

  constructor(choice: ClusterChoice) {
    this.#choice = choice;
  }

  /** Rejects with an Error for the user that quotes nothing secret. */
  current(): Promise<Credentials> {
    const now = performance.now();
    if (this.#current === null || now - this.#readAt > KEEP_MS) {
      this.#readAt = now;
      const reading = this.#read();
      this.#current = reading;
      // A failure is not kept: the next request tries again.
      reading.catch(() => {
        if (this.#current === reading) this.#current = null;
      });
    }
    return this.#current;
  }

  /** The server refused them: the next request reads and asks anew. */
  forget(): void {
    this.#current = null;
    this.#plugin = null;
  }

  async #read(): Promise<Credentials> {
    const { cluster, user, tokenFile } = this.#choice;
    const request: RequestOptions & { headers: Record<string, string> } = { headers: {} };
    const token = tokenFile === null ? user?.token : (await readSecretFile(tokenFile, 'token')).toString();
    if (token) request.headers['authorization'] = `Bearer ${token.trim()}`;
    else if (user?.username) {
      const pair = Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64');
      request.headers['authorization'] = `Basic ${pair}`;
    }
    if (user?.impersonateUser) request.headers['impersonate-user'] = user.impersonateUser;
    const ca = await material(cluster.caData, cluster.caFile, 'certificate authority');
    request.cert = await material(user?.certData, user?.certFile, 'client certificate');
    request.key = await material(user?.keyData, user?.keyFile, 'client key');
    if (user !== null && needsPlugin(user)) await this.#ask(user, request);
    return {
      headers: lowerCased(request.headers),
      tls: {
        ...(ca && { ca }),
        ...(request.cert && { cert: request.cert }),
        ...(request.key && { key: request.key }),
        ...(cluster.skipTLSVerify && { rejectUnauthorized: false }),
        ...(cluster.tlsServerName && { servername: cluster.tlsServerName }),
      },
    };
  }

  async #ask(user: User, request: RequestOptions): Promise<void> {
    this.#plugin ??= await pluginFor(user, this.#choice);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('it took too long')), PLUGIN_TIMEOUT_MS);
    });
    try {
      await Promise.race([this.#plugin(request), timeout]);
    } catch (error) {
      throw new Error(`the credential plugin of user ${JSON.stringify(user.name)} failed: ${safely(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
}

function needsPlugin(user: User): boolean {
  return Boolean(user.exec ?? user.authProvider);
}

/** `exec` is small; the providers of old (oidc, gcp, azure) need the whole library, which is loaded only for them. */
async function pluginFor(user: User, choice: ClusterChoice): Promise<Plugin> {
  const exec = new ExecAuth();
  if (exec.isAuthProvider(user)) return (request) => exec.applyAuthentication(user, request);
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  config.loadFromFile(choice.files[0]!);
  config.setCurrentContext(choice.context);
  return (request) => config.applyToHTTPSOptions(request);
}

async function material(
  data: string | undefined,
  file: string | undefined,
  what: string,
): Promise<Buffer | undefined> {
  if (data) return Buffer.from(data, 'base64');
  return file ? readSecretFile(file, what) : undefined;
}

async function readSecretFile(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`the ${what} ${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** A parser's message quotes what it could not parse, which here may be the token itself. */
function safely(error: unknown): string {
  if (error instanceof SyntaxError) return 'its answer is not JSON';
  const message = error instanceof Error ? error.message : '';
  return message.trim().split('\n', 1)[0]!.slice(0, 200) || 'it gave no reason';
}

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

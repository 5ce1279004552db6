/** Doors to the API server: kubectl as a user has it, and plain requests for what kubectl hides. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type Agent, request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { KubeObject } from '../../kit/manifests.ts';

const SERVER = 'https://127.0.0.1:6443';
/** Long enough for thousands of objects in one call. */
const LIMIT_MS = 300_000;

export interface Credentials {
  /** File of the certificate authority. */
  readonly ca: string;
  readonly token?: string;
  readonly tokenFile?: string;
  /** Where requests go instead of the API server itself. */
  readonly server?: string;
}

/** Writes `<folder>/<name>.kubeconfig` and gives its path. */
export function writeKubeconfig(folder: string, name: string, credentials: Credentials): string {
  const { ca, server = SERVER, ...user } = credentials;
  const path = join(folder, `${name}.kubeconfig`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': ca } }],
    users: [{ name: 'test', user }],
  };
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(config));
  return path;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** On a connection of its own unless an agent is given. Rejects when there is no answer. */
export async function requestApi(
  { ca, token }: Credentials,
  method: string,
  path: string,
  body?: unknown,
  agent?: Agent,
): Promise<ApiAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const options = { method, headers, ca: readFileSync(ca), agent: agent ?? false, timeout: 10_000 };
  const sent = request(`${SERVER}${path}`, options, (response) => {
    const status = response.statusCode ?? 0;
    text(response).then((answer) => resolve({ status, body: asJson(answer) }), reject);
  });
  sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer`)));
  sent.on('error', reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

function asJson(answer: string): unknown {
  try {
    return JSON.parse(answer);
  } catch {
    return answer;
  }
}

export interface KubectlResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Kubectl {
  readonly #command: readonly string[];
  readonly #folder: string;
  readonly #kubeconfig: string;

  constructor(command: readonly string[], folder: string, kubeconfig: string) {
    this.#command = command;
    this.#folder = folder;
    this.#kubeconfig = kubeconfig;
  }

  /** The same kubectl as another user. */
  as(kubeconfig: string): Kubectl {
    return new Kubectl(this.#command, this.#folder, kubeconfig);
  }

  /** Runs it to its end, whatever that is. */
  async try(args: readonly string[], input = ''): Promise<KubectlResult> {
    const [program = '', ...first] = this.#command;
    const child = spawn(program, [...first, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { KUBECONFIG: this.#kubeconfig, HOME: this.#folder },
      timeout: LIMIT_MS,
    });
    child.stdin.on('error', () => {}); // It may end without reading all.
    child.stdin.end(input);
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { code, stdout, stderr };
  }

  /** Runs it, and gives what it printed; rejects unless it succeeded. */
  async run(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.try(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** `kubectl apply` of these objects. */
  async apply(...objects: readonly KubeObject[]): Promise<void> {
    await this.run(['apply', '-f', '-'], asList(objects));
  }

  /** `kubectl delete` of these objects, without waiting for finalizers. */
  async delete(...objects: readonly KubeObject[]): Promise<void> {
    await this.run(['delete', '--wait=false', '-f', '-'], asList(objects));
  }

  /** The object or list that `kubectl get` shows. */
  async get(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.run(['get', '-o', 'json', ...args]));
  }
}

/** The objects as kubectl reads them from its standard input. */
export function asList(objects: readonly KubeObject[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
}

/** A peer is a proxy we measure: how to see whether it is here, and the command that runs it. */
import { execFile } from 'node:child_process';
import type { Certificate } from '../certificate.ts';

export interface Peer {
  readonly name: string;
  /** Whether {@link PeerSetup.tls} can be asked of it. */
  readonly servesTls: boolean;
  /** Whether {@link PeerSetup.upstreamTls} can be asked of it. */
  readonly asksTls: boolean;
  /** Whether {@link PeerSetup.upstreamHttp2} can be asked of it. */
  readonly asksHttp2: boolean;
  /** Whether it can run on this machine, and in which version. */
  probe(): Promise<Presence>;
  /** Writes its configuration into `setup.directory` and gives the command that runs it in the foreground. */
  prepare(setup: PeerSetup): Promise<PeerCommand>;
  /** What to know before its figures are compared: work it cannot do, or does in another way. */
  readonly remarks: readonly string[];
}

export type Presence =
  | { readonly kind: 'present'; readonly version: string }
  | { readonly kind: 'absent'; readonly reason: string };

export interface PeerSetup {
  /** Its own, empty. */
  readonly directory: string;
  readonly port: number;
  /** Port of the backend on loopback. */
  readonly upstream: number;
  /** The backend speaks TLS 1.3; its certificate is not verified. */
  readonly upstreamTls: boolean;
  /** The backend speaks HTTP/2 in clear, with prior knowledge. */
  readonly upstreamHttp2: boolean;
  readonly series: Series;
  /** Read and write bodies with {@link BULK_BUFFER_BYTES} at a time, without storing them first. */
  readonly bulk: boolean;
  /**
   * Speak TLS 1.3 only, with this certificate and the suite and group of bench/certificate.ts, and HTTP/2 or
   * HTTP/1.1 as the client wants it. Resumption is as the program has it by default. null: plain HTTP.
   */
  readonly tls: Certificate | null;
}

/**
 * The same work for all. Both: X-Forwarded-For/-Host/-Proto/-Port, X-Real-IP, X-Request-ID (made by the proxy) and
 * Via are sent upstream. `log`: one JSON line per request is written to a file, too.
 */
export type Series = 'bare' | 'log';

export interface PeerCommand {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The unit in which Tidegate reads bodies; peers whose buffers can be set get the same. */
export const BULK_BUFFER_BYTES = 256 * 1024;

/** The answer of `probe` for a program that prints its version: the first match of `pattern`. */
export async function probeProgram(argv: readonly string[], pattern: RegExp): Promise<Presence> {
  const [program = '', ...args] = argv;
  const output = await new Promise<string | null>((resolve) => {
    // Some print their version and exit with 1; only a program that cannot be started is absent.
    execFile(program, args, (error, stdout, stderr) =>
      resolve(error?.code === 'ENOENT' ? null : stdout + stderr),
    );
  });
  if (output === null) return { kind: 'absent', reason: `${program} is not installed` };
  const version = pattern.exec(output)?.[1];
  if (version === undefined) return { kind: 'absent', reason: `${argv.join(' ')} prints no version` };
  return { kind: 'present', version };
}

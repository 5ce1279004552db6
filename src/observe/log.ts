/**
 * The program log and the access log: both are JSON lines on one standard output, so both go through one
 * buffered destination, which keeps the order of lines and never stops the program for a slow reader.
 */
import { type DestinationStream, pino } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
export type LogFields = Readonly<Record<string, unknown>>;

/** `event` is a stable lower-case word that programs may look for; `message` is for people. */
export type LogLine = (event: string, message: string, fields?: LogFields) => void;

export interface Log {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
}

export interface LogOutput {
  readonly log: Log;
  /** Takes whole lines, each ended by a newline. */
  writeAccessLog(lines: string): void;
  /** Lines lost since the start because the reader of the output was too slow. */
  droppedLines(): number;
  /** Resolves when all is written, or after `patienceMs` when the reader does not take it. */
  close(patienceMs?: number): Promise<void>;
}

/** Unwritten bytes beyond which lines are dropped. */
const MAX_UNWRITTEN_BYTES = 64 * 1024 * 1024;

/** Fields that could carry a secret, whoever logs them. */
const SECRET_FIELDS = ['authorization', 'cookie', 'password', 'secret', 'token', 'privateKey'];
const REDACTED_PATHS = SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

export interface LogOptions {
  readonly level: LogLevel;
  /** A file descriptor; standard output by default. */
  readonly fd?: number;
  readonly maxUnwrittenBytes?: number;
}

export function openLog(options: LogOptions): LogOutput {
  const maxLength = options.maxUnwrittenBytes ?? MAX_UNWRITTEN_BYTES;
  const destination = pino.destination({ dest: options.fd ?? 1, sync: false, maxLength });
  let dropped = 0;
  let closed = false;
  destination.on('drop', (data: string) => {
    dropped += countLines(data);
  });
  // Nobody reads any more: an ingress without a log is better than none. Must come before any write.
  destination.on('error', () => {
    closed = true;
  });

  const close = (patienceMs = 2000): Promise<void> => {
    if (closed) return Promise.resolve();
    closed = true;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(patience);
        resolve();
      };
      const patience = setTimeout(() => {
        destination.destroy();
        resolve();
      }, patienceMs);
      destination.once('close', done);
      destination.once('error', done);
      destination.end();
    });
  };

  return {
    log: programLog(options.level, destination, () => closed),
    writeAccessLog: (lines) => {
      if (!closed) destination.write(lines);
    },
    droppedLines: () => dropped,
    close,
  };
}

function programLog(level: LogLevel, destination: DestinationStream, isClosed: () => boolean): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
    },
    destination,
  );
  const line = (name: 'debug' | 'info' | 'warn' | 'error'): LogLine => {
    return (event, message, fields) => {
      if (!isClosed()) logger[name]({ event, ...fields }, message);
    };
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

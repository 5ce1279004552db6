/**
 * The program log and the access log: both are JSON lines on one standard output, so both go through one
 * buffered destination, which keeps the order of lines and never stops the program for a slow reader.
 */
import { type Logger, pino } from 'pino';
import { Output } from './output.ts';

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
  /**
   * The line with the event `ready`: programs wait for it and read from it where we listen, so no level but `silent`
   * hides it.
   */
  ready(message: string, fields: LogFields): void;
  /** Takes whole lines, each ended by a newline. */
  writeAccessLog(lines: Uint8Array): void;
  /** Lines lost since the start because the output took them too slowly or not at all. */
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
  const output = new Output(options.fd ?? 1, options.maxUnwrittenBytes ?? MAX_UNWRITTEN_BYTES);
  const logger = programLogger(options.level, output);
  const unhidden = logger.child({}, { level: options.level === 'silent' ? 'silent' : 'info' });
  return {
    log: logOf(logger),
    ready: (message, fields) => unhidden.info({ event: 'ready', ...fields }, message),
    writeAccessLog: (lines) => output.write(lines),
    droppedLines: () => output.dropped,
    close: (patienceMs = 2000) => output.close(patienceMs),
  };
}

function programLogger(level: LogLevel, output: Output): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
    },
    output,
  );
}

function logOf(logger: Logger): Log {
  const line = (name: 'debug' | 'info' | 'warn' | 'error'): LogLine => {
    return (event, message, fields) => logger[name]({ event, ...fields }, message);
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

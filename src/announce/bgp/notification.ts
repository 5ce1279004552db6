/** NOTIFICATION: why a session ends (RFC 4271 section 4.5 and 6; the IANA registry "BGP Error Codes"). */

export interface Notification {
  readonly type: 'notification';
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

/** What decoding gives for bytes that are no message: the answer that they deserve. */
export interface Malformed {
  readonly type: 'malformed';
  readonly answer: Notification;
}

const NO_DATA = new Uint8Array(0);

export function notification(code: number, subcode: number, data: Uint8Array = NO_DATA): Notification {
  return { type: 'notification', code, subcode, data };
}

export function malformed(code: number, subcode: number, data: Uint8Array = NO_DATA): Malformed {
  return { type: 'malformed', answer: notification(code, subcode, data) };
}

export const HEADER_ERROR = 1;
export const OPEN_ERROR = 2;
export const UPDATE_ERROR = 3;
export const HOLD_TIMER_EXPIRED = 4;
export const FSM_ERROR = 5;
export const CEASE = 6;
/** RFC 7313. */
export const REFRESH_ERROR = 7;
/** RFC 9687: our own messages have not left for too long. */
export const SEND_HOLD_TIMER_EXPIRED = 8;

/** RFC 4486, RFC 9384. */
export const CeaseReason = {
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  otherConfigurationChange: 6,
  connectionCollision: 7,
  outOfResources: 8,
  bfdDown: 10,
} as const;

/** RFC 9003: at most this many bytes of UTF-8. */
const LONGEST_TEXT = 255;

/** A Cease; `text` goes to the peer's operator where the subcode has room for one (RFC 9003 section 2). */
export function cease(subcode: number, text = ''): Notification {
  const roomForText =
    subcode === CeaseReason.administrativeShutdown || subcode === CeaseReason.administrativeReset;
  if (text === '' || !roomForText) return notification(CEASE, subcode);
  const data = new Uint8Array(1 + LONGEST_TEXT);
  // Stops before a character that does not fit whole.
  const { written } = new TextEncoder().encodeInto(text, data.subarray(1));
  data[0] = written;
  return notification(CEASE, subcode, data.subarray(0, 1 + written));
}

/**
 * The text in a shutdown or reset; '' when there is none or it is not well-formed (RFC 9003 section 4 wants no
 * other reaction). Control characters come out as spaces: the text is a stranger's and goes into our log.
 */
export function shutdownText({ code, subcode, data }: Notification): string {
  if (code !== CEASE || (subcode !== 2 && subcode !== 4)) return '';
  const length = data[0] ?? 0;
  if (length > data.length - 1) return '';
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(1, 1 + length));
    return text.replace(/\p{Cc}/gu, ' ');
  } catch {
    return '';
  }
}

const CODES: Readonly<Record<number, readonly [string, readonly string[]]>> = {
  1: ['message header error', ['', 'not synchronised', 'bad length', 'bad type']],
  2: [
    'OPEN error',
    [
      '',
      'unsupported version',
      'bad peer AS',
      'bad BGP identifier',
      'unsupported optional parameter',
      '',
      'unacceptable hold time',
      'unsupported capability',
      '',
      '',
      '',
      'role mismatch',
    ],
  ],
  3: [
    'UPDATE error',
    [
      '',
      'malformed attribute list',
      'unrecognised well-known attribute',
      'missing well-known attribute',
      'attribute flags',
      'attribute length',
      'invalid ORIGIN',
      '',
      'invalid NEXT_HOP',
      'optional attribute',
      'invalid network field',
      'malformed AS_PATH',
    ],
  ],
  4: ['hold timer expired', []],
  5: ['unexpected message', ['', 'in OpenSent', 'in OpenConfirm', 'in Established']],
  6: [
    'cease',
    [
      '',
      'maximum number of prefixes',
      'administrative shutdown',
      'peer de-configured',
      'administrative reset',
      'connection rejected',
      'other configuration change',
      'connection collision',
      'out of resources',
      'hard reset',
      'BFD down',
    ],
  ],
  7: ['ROUTE-REFRESH error', ['', 'bad length']],
  8: ['send hold timer expired', []],
};

/** For logs and status: `cease: administrative shutdown (6/2), "maintenance"`. */
export function describeNotification(message: Notification): string {
  const [name, subcodes] = CODES[message.code] ?? ['unknown code', []];
  const detail = subcodes[message.subcode];
  const text = shutdownText(message);
  return `${name}${detail ? `: ${detail}` : ''} (${message.code}/${message.subcode})${text === '' ? '' : `, "${text}"`}`;
}

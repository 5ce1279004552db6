/** Responses that Tidegate makes itself: small, typed by Accept, with the request id and nothing about internals. */

/** Reason phrases; the texts are those ingress-nginx users match on. */
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
  505: 'HTTP Version Not Supported',
  508: 'Loop Detected',
};

export function reasonPhrase(status: number): string {
  return REASONS[status] ?? 'Error';
}

export interface OwnAnswer {
  readonly status: number;
  /** '' when there is no body. */
  readonly contentType: string;
  readonly body: string;
  /** Further field lines, each ended by CRLF. */
  readonly fields: string;
}

/**
 * The answer with this status. `accept` is the request's Accept value ('' for none): JSON for whoever names it
 * and does not name HTML first.
 */
export function ownAnswer(status: number, accept: string, requestId: string): OwnAnswer {
  if (status === 200) return { status, contentType: '', body: '', fields: `X-Request-ID: ${requestId}\r\n` };
  const reason = reasonPhrase(status);
  const fields = extraFields(status) + (requestId === '' ? '' : `X-Request-ID: ${requestId}\r\n`);
  if (wantsJson(accept)) {
    const body = `{"status":${status},"error":"${reason}","requestId":"${requestId}"}\n`;
    return { status, contentType: 'application/json', body, fields };
  }
  const id = requestId === '' ? '' : `<p>Request ${requestId}</p>`;
  const body =
    `<!doctype html>\n<html><head><title>${status} ${reason}</title></head>` +
    `<body><h1>${status} ${reason}</h1>${id}</body></html>\n`;
  return { status, contentType: 'text/html; charset=utf-8', body, fields };
}

/** Sends the client to `location`, which must be fit for a field value. */
export function redirectAnswer(status: 302 | 308, location: string, requestId: string): OwnAnswer {
  const reason = reasonPhrase(status);
  return {
    status,
    contentType: 'text/html; charset=utf-8',
    body: `<!doctype html>\n<html><head><title>${status} ${reason}</title></head><body><h1>${status} ${reason}</h1></body></html>\n`,
    fields: `Location: ${location}\r\nX-Request-ID: ${requestId}\r\n`,
  };
}

function extraFields(status: number): string {
  if (status === 503) return 'Retry-After: 1\r\n';
  if (status === 405) return 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n';
  return '';
}

/** True when Accept ranks JSON above HTML (RFC 9110 12.5.1); of equals, the one named first. */
function wantsJson(accept: string): boolean {
  if (accept === '') return false;
  let json = { quality: 0, position: -1 };
  let html = { quality: 0, position: -1 };
  for (const [position, range] of accept.split(',').entries()) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const parsed = weight === undefined ? 1 : Number(weight.slice(2));
    const quality = Number.isNaN(parsed) ? 1 : parsed;
    if (type === 'application/json' || type.endsWith('+json')) {
      if (quality > json.quality) json = { quality, position };
    } else if (type === 'text/html' || type === 'application/xhtml+xml') {
      if (quality > html.quality) html = { quality, position };
    }
  }
  if (json.quality !== html.quality) return json.quality > html.quality;
  return json.quality > 0 && json.position < html.position;
}

/**
 * The Accept value in a head's text; looked up only when an answer of ours is due. Browsers send 200 bytes: what is far
 * behind that decides nothing, and is not worth the time to take it apart.
 */
export function acceptIn(headText: string): string {
  const match = /\r\naccept:[ \t]*([^\r]{0,1024})/i.exec(headText);
  return match?.[1] ?? '';
}

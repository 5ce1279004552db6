/** The spellings that the Kubernetes API server accepts (apimachinery `validation`, networking `validation`). */
import { readIp } from '../ip.ts';
import type { Syntax } from './field.ts';

const LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const SUBDOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

function pattern(expected: string, maxLength: number, regexp: RegExp): Syntax {
  return { expected, maxLength, test: (text) => regexp.test(text) };
}

/** RFC 1123 label. */
export const DNS_LABEL = pattern(
  'a name of lower-case letters, digits and "-", starting and ending with a letter or digit',
  63,
  new RegExp(`^${LABEL}$`),
);

/** RFC 1123 subdomain: the names of most objects. */
export const DNS_NAME = pattern(
  'a name of lower-case letters, digits, "-" and ".", each part starting and ending with a letter or digit',
  253,
  SUBDOMAIN,
);

/** IANA service name: how an Ingress and an Endpoints object name a port. */
export const PORT_NAME = pattern(
  'a port name of at most 15 lower-case letters, digits and single "-", with at least one letter',
  15,
  /^(?=.*[a-z])(?!.*--)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/,
);

/** `example.com/controller`. */
export const CONTROLLER_NAME = pattern(
  'a domain and a path, like "tidegate.io/ingress-controller"',
  250,
  /^[a-z0-9][-a-z0-9.]*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/,
);

/** Keys of Secret and ConfigMap data. */
export const DATA_KEY = pattern(
  'a name of letters, digits, "-", "_" and "."',
  253,
  /^(?!\.\.?$)[-._a-zA-Z0-9]+$/,
);

/** Upper case is taken too (and lowered), unlike by the API server: host names have no case. */
export const INGRESS_HOST: Syntax = {
  expected: 'a DNS name, or "*." and a DNS name; no IP address, port or path',
  maxLength: 253,
  test: (text) => {
    const lower = text.toLowerCase();
    return readIp(lower) === null && SUBDOMAIN.test(lower.startsWith('*.') ? lower.slice(2) : lower);
  },
};

/** Exact and Prefix. What the API server forbids here is what a normalised request path cannot contain. */
export const NORMAL_PATH: Syntax = {
  expected: 'an absolute path without "//", "/./", "/../", "%2f" or control characters',
  maxLength: 4096,
  test: (text) => !/^[^/]|\/\/|\/\.\.?(?:\/|$)|%2f|\p{Cc}/iu.test(text),
};

/** ImplementationSpecific: may be a pattern, so only its start is known. */
export const SPECIFIC_PATH = pattern('an absolute path without control characters', 4096, /^\/\P{Cc}*$/u);

export const EXTERNAL_NAME: Syntax = {
  expected: 'a DNS name',
  maxLength: 254,
  test: (text) => readIp(text) !== null || SUBDOMAIN.test(text.toLowerCase().replace(/\.$/, '')),
};

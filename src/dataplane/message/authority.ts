import { isIPv6 } from 'node:net';

/** 1 for what a host may hold besides an IP literal: reg-name of RFC 3986. */
const HOST_CHAR = new Uint8Array(256);
for (const c of "-._~!$&'()*+;=%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  HOST_CHAR[c.charCodeAt(0)] = 1;
}

/** `uri-host [":" port]` (RFC 9110 7.2), not empty, no user information. */
export function isAuthority(text: string): boolean {
  let i = 0;
  const length = text.length;
  if (text.charCodeAt(0) === 91) {
    i = text.indexOf(']');
    if (i < 0 || !isIPv6(text.slice(1, i))) return false;
    i++;
  } else {
    for (let c = text.charCodeAt(0); i < length && HOST_CHAR[c] === 1; c = text.charCodeAt(++i)) {
      if (c === 37 && !(isHex(text.charCodeAt(i + 1)) && isHex(text.charCodeAt(i + 2)))) return false;
    }
    if (i === 0) return false;
  }
  if (i === length) return true;
  if (text.charCodeAt(i) !== 58 || length - i > 6) return false;
  let port = 0;
  for (let k = i + 1; k < length; k++) {
    const digit = text.charCodeAt(k) - 48;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}

function isHex(c: number): boolean {
  return (c >= 48 && c <= 57) || ((c | 32) >= 97 && (c | 32) <= 102);
}

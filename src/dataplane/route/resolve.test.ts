import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_LIMITS } from '../config.ts';
import { parseRequestHead } from '../http1/parse-request.ts';
import { RequestHead } from '../message/request-head.ts';
import { requestHost, resolveRoute } from './resolve.ts';
import type { LiveTable } from './table.ts';

/** Matches everything and tells what it was asked for. */
const asked = { match: (host: string, path: string) => ({ host, path }) } as unknown as LiveTable<{
  host: string;
  path: string;
}>;

function resolve(target: string, host = 'h'): { target: string; host: string; path: string } | null {
  const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1');
  const head = new RequestHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, DEFAULT_LIMITS, head) > 0, target);
  const resolved = resolveRoute(asked, head);
  return resolved && { target: resolved.target, ...resolved.route! };
}

test('what is matched and what is forwarded are forms of the same path; the query goes along untouched', () => {
  const table: [target: string, forwarded: string, matched: string][] = [
    ['/', '/', '/'],
    ['/a/b?x=/../%2e', '/a/b?x=/../%2e', '/a/b'],
    ['/a/../b?x', '/b?x', '/b'],
    ['/a/%2e%2e/b', '/b', '/b'],
    ['/%61//b?%00', '/%61//b?%00', '/a/b'],
    ['/a%2fb', '/a%2fb', '/a%2Fb'],
    ['http://other/a/./b?c', '/a/b?c', '/a/b'],
    ['http://other', '/', '/'],
    ['http://other?q', '/?q', '/'],
    ['http://other//x', '//x', '/x'],
  ];
  for (const [target, forwarded, matched] of table) {
    const resolved = resolve(target);
    assert.deepEqual([resolved?.target, resolved?.path], [forwarded, matched], target);
  }
});

test('a path that hides something is refused', () => {
  for (const target of ['/..', '/a/../../b', '/%00', '/a%', '/%zz', '/%2e%2e/x', 'http://other/..'])
    assert.equal(resolve(target), null, target);
});

test('the host that is matched is the one that the request names, in one spelling', () => {
  assert.equal(resolve('/', 'A.Test.:8080')?.host, 'a.test');
  assert.equal(resolve('http://Other.Test:81/', 'h')?.host, 'other.test', 'the target wins over Host');
  const table: [authority: string, host: string][] = [
    ['a', 'a'],
    ['a:80', 'a'],
    ['a:', 'a'],
    ['A.B.', 'a.b'],
    ['a.b.:443', 'a.b'],
    ['[::1]', '[::1]'],
    ['[2001:DB8::1]:80', '[2001:db8::1]'],
    ['', ''],
    ['.', ''],
  ];
  for (const [authority, host] of table) assert.equal(requestHost(authority), host, authority);
});

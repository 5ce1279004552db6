import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptIn, ownAnswer, reasonPhrase } from './own-answer.ts';

const ID = '0123456789abcdef0123456789abcdef';

test('an answer names status, reason and request, and nothing of the inside', () => {
  for (const status of [400, 404, 408, 413, 502, 503, 504, 599]) {
    const { body, contentType, fields } = ownAnswer(status, '', ID);
    assert.equal(contentType, 'text/html; charset=utf-8');
    assert.ok(body.includes(`<h1>${status} ${reasonPhrase(status)}</h1>`) && body.includes(ID), body);
    assert.ok(fields.includes(`X-Request-ID: ${ID}\r\n`));
    assert.match(fields, /^(?:[A-Za-z-]+: [^\r\n]+\r\n)+$/);
    assert.doesNotMatch(body, /tidegate|node|upstream|127\.0/i);
  }
});

test('503 says when to come back, 405 what is allowed', () => {
  assert.match(ownAnswer(503, '', ID).fields, /^Retry-After: \d+\r\n/);
  assert.match(ownAnswer(405, '', ID).fields, /^Allow: GET, HEAD, /);
});

test('JSON is for those who prefer it to HTML', () => {
  const table: [accept: string, json: boolean][] = [
    ['', false],
    ['*/*', false],
    ['application/json', true],
    ['Application/JSON', true],
    ['application/problem+json', true],
    ['application/json;q=0.5', true],
    ['text/html, application/json', false],
    ['application/json, text/html', true],
    ['text/html;q=0.1, application/json', true],
    ['application/json;q=0, text/html', false],
    ['application/json;q=0', false],
    ['application/jsonp', false],
    [',;,;q=;', false],
  ];
  for (const [accept, json] of table) {
    const { contentType, body } = ownAnswer(404, accept, ID);
    assert.equal(contentType === 'application/json', json, accept);
    if (json) assert.deepEqual(JSON.parse(body), { status: 404, error: 'Not Found', requestId: ID });
  }
});

test('Accept is found in a head wherever it stands, and only there', () => {
  assert.equal(acceptIn('GET / HTTP/1.1\r\nHost: h\r\nACCEPT:\t a/b \r\n\r\n').trim(), 'a/b');
  assert.equal(acceptIn('GET / HTTP/1.1\r\nX-Accept: a\r\nAccept-Language: b\r\n\r\n'), '');
  assert.equal(acceptIn('GET /accept: HTTP/1.1\r\n\r\n'), '');
  assert.equal(acceptIn(''), '');
  assert.equal(
    acceptIn(`GET / HTTP/1.1\r\nAccept: ${'a,'.repeat(10_000)}\r\n\r\n`).length,
    1024,
    'not without end',
  );
});

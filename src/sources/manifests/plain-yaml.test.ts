import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import { parsePlainYaml } from './plain-yaml.ts';

/** What the full parser says: its value, or null when it refuses the text or sees several documents. */
function fullParser(text: string): { value: unknown } | null {
  const documents = parseAllDocuments(text, { merge: true, logLevel: 'silent' });
  const document = documents[0];
  if (document === undefined) return { value: null };
  if (documents.length !== 1 || document.errors.length > 0) return null;
  return { value: document.toJS() };
}

const MANIFEST = `---
# An Ingress as people write it
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: "8m"
    quoted: 'it''s'
    "other": ''
spec:
  tls:
  - hosts: [a.example.com, 'b.example.com']
    secretName: web # trailing comment
  rules:
    - host: "*.example.com"
      http:
        paths:
          - path: /a(/|$)(.*)
            backend: {service: {name: web, port: {number: 80}}}

          -
            path: /b
  script: |
    first

      indented # not a comment
    last
  stripped: |-
    one
  version: 1.2.3
  at: 2024-01-01T00:00:00Z
  nothing:
  also: ~
  negative: -5
  yes: True
`;

describe('plain YAML', () => {
  test('an ordinary manifest is plain and reads as the full parser reads it', () => {
    const plain = parsePlainYaml(MANIFEST);
    assert.notEqual(plain, null);
    assert.deepEqual(plain?.value, fullParser(MANIFEST)?.value);
    assert.equal(plain?.line, 3);
  });

  test('maps in lists know their line', () => {
    const plain = parsePlainYaml('kind: List\nitems:\n- kind: A\n\n# comment\n- kind: B\n');
    assert.ok(plain);
    const { items } = plain.value as { items: object[] };
    assert.deepEqual(
      items.map((item) => plain.lines.get(item)),
      [3, 6],
    );
  });

  for (const [what, text] of [
    ['an anchor', 'a: &x 1'],
    ['an alias', 'a: *x'],
    ['a tag', 'a: !!str 1'],
    ['a merge key', '<<: {a: 1}'],
    ['an escape', 'a: "\\n"'],
    ['folded text', 'a: >\n  b'],
    ['text over two lines', 'a: b\n  c'],
    ['a duplicate key', 'a: 1\na: 2'],
    ['a prototype', '__proto__: 1'],
    ['a float', 'a: 1.5'],
    ['an octal number', 'a: 0o17'],
    ['a number with a leading zero', 'a: 017'],
    ['a tab as indentation', 'a:\n\tb: 1'],
    ['uneven indentation', 'a:\n    b: 1\n  c: 2'],
    ['a flow list over two lines', 'a: [1,\n 2]'],
    ['an unclosed quote', 'a: "b'],
    ['a colon inside a plain value', 'a: b: c'],
    ['a second document', 'a: 1\n---\nb: 2'],
    ['a directive', '%YAML 1.2\n---\na: 1'],
    ['a list in a list on one line', '- - a'],
    ['Windows line ends', 'a: 1\r\nb: 2'],
  ] as const) {
    test(`${what} is left to the full parser`, () => assert.equal(parsePlainYaml(text), null));
  }

  test('whatever is taken for plain reads as the full parser reads it', () => {
    const pieces = fc.constantFrom(
      ...[
        'a: ',
        'b: ',
        'key:',
        '- ',
        '-',
        ' ',
        '  ',
        '    ',
        '\n',
        '\n',
        '\n',
        '\n  ',
        '\n    ',
        '|',
        '|-',
        '#',
        ' # c',
      ],
      ...[
        'x',
        'x y',
        '1',
        '-1',
        '007',
        '1.5',
        'true',
        '~',
        '""',
        "''",
        '"a"',
        "'a'",
        "'a''b'",
        '[',
        ']',
        '{',
        '}',
        ',',
      ],
      ...[
        ', ',
        ': ',
        ':',
        '[a, b]',
        '{a: 1}',
        '[]',
        '{}',
        '---',
        '*',
        '&x',
        '!t',
        '?',
        '? ',
        '%',
        '\t',
        'é',
        '/',
        '.',
      ],
      ...[
        'a: |\n  t\n',
        'a: |-\n  t\n\n  u\n',
        '- a: 1\n  b: 2\n',
        'a:\n- x\n- y\n',
        'a:\n  b:\n    c: d\n',
        '"q": 1\n',
      ],
    );
    const text = fc.array(pieces, { maxLength: 14 }).map((parts) => parts.join(''));
    let plain = 0;
    fc.assert(
      fc.property(text, (yaml) => {
        const fast = parsePlainYaml(yaml);
        if (fast === null) return;
        plain++;
        const full = fullParser(yaml);
        assert.notEqual(full, null, 'the full parser refuses this');
        assert.deepEqual(fast.value, full?.value);
      }),
      { numRuns: 20_000 },
    );
    assert.ok(plain > 500, `only ${plain} texts were plain`);
  });
});

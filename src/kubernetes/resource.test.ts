import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requestName, resourcePath } from './resource.ts';

const INGRESSES = { group: 'networking.k8s.io', version: 'v1', plural: 'ingresses' };
const NAMESPACES = { group: '', version: 'v1', plural: 'namespaces' };

describe('paths', () => {
  const cases: [string, Parameters<typeof resourcePath>, string, string, string][] = [
    ['all of a kind', [INGRESSES], '/apis/networking.k8s.io/v1/ingresses', 'list', 'ingresses'],
    [
      'those of a namespace',
      [INGRESSES, { namespace: 'a' }],
      '/apis/networking.k8s.io/v1/namespaces/a/ingresses',
      'list',
      'ingresses',
    ],
    [
      'a subresource',
      [INGRESSES, { namespace: 'a', name: 'b', subresource: 'status' }],
      '/apis/networking.k8s.io/v1/namespaces/a/ingresses/b/status',
      'get',
      'ingresses/status',
    ],
    ['namespaces', [NAMESPACES], '/api/v1/namespaces', 'list', 'namespaces'],
    ['a namespace', [NAMESPACES, { name: 'a' }], '/api/v1/namespaces/a', 'get', 'namespaces'],
  ];
  for (const [name, target, path, verb, resource] of cases) {
    test(`${name}: ${path} is ${verb} ${resource}`, () => {
      assert.equal(resourcePath(...target), path);
      assert.deepEqual(requestName('GET', path, false), { verb, resource });
    });
  }

  test('a name cannot leave its place', () => {
    assert.equal(resourcePath(NAMESPACES, { name: '../x' }), '/api/v1/namespaces/..%2Fx');
  });

  test('the verbs are those of RBAC', () => {
    const path = '/api/v1/namespaces/a/events';
    assert.deepEqual(
      ['POST', 'GET'].map((method) => requestName(method, path, method === 'GET')),
      [
        { verb: 'create', resource: 'events' },
        { verb: 'watch', resource: 'events' },
      ],
    );
  });
});

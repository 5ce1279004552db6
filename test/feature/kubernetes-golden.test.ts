/** The examples of translation, given through an API server: the same objects make the same table and problems. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { openApi } from '../../src/kubernetes/api.ts';
import type { AnyObject, ResolvedName, Snapshot } from '../../src/model/snapshot.ts';
import { EMPTY_SNAPSHOT } from '../../src/model/snapshot.ts';
import { decodeObject } from '../../src/sources/decode/all.ts';
import { kubernetesSource } from '../../src/sources/kubernetes/kubernetes.ts';
import { nextSnapshot } from '../../src/sources/store.ts';
import type { TranslateOptions } from '../../src/translate/options.ts';
import { createTranslator } from '../../src/translate/translate.ts';
import type { Translation } from '../../src/translate/translation.ts';
import { type FakeCluster, startFakeCluster } from '../kit/fake-cluster.ts';
import type { KubeObject } from '../kit/manifests.ts';
import { OPTIONS } from '../kit/translate-options.ts';

interface Example {
  readonly options: Partial<TranslateOptions>;
  readonly resolvedNames: ReadonlyMap<string, ResolvedName>;
  readonly objects: readonly KubeObject[];
}

const TESTDATA = join(import.meta.dirname, '../../src/translate/testdata');

function readExample(file: string): Example {
  const documents = parseAllDocuments(readFileSync(join(TESTDATA, file), 'utf8')).map((each) => each.toJS());
  const setUp = documents.find(({ kind }) => kind === 'Case') ?? {};
  const names = (setUp.resolvedNames ?? []) as ResolvedName[];
  return {
    options: setUp.options ?? {},
    resolvedNames: new Map(names.map((each) => [each.name, each])),
    // In a cluster the slices of core/v1 Endpoints are made by Kubernetes itself.
    objects: documents.filter(({ kind }) => kind !== 'Case' && kind !== 'Endpoints'),
  };
}

/** What the API server holds, read as if it were in files. */
function fromFiles({ api }: FakeCluster, resolvedNames: Snapshot['resolvedNames']): Snapshot {
  const put = api.store.all().flatMap((object): AnyObject[] => {
    const decoded = decodeObject(object, null);
    return decoded.kind === 'decoded' ? [...decoded.records] : [];
  });
  return nextSnapshot(EMPTY_SNAPSHOT, { put, resolvedNames });
}

/** The first translation that a source in the cluster leads to. */
async function fromCluster(
  { kubeconfig }: FakeCluster,
  options: TranslateOptions,
  resolvedNames: Snapshot['resolvedNames'],
): Promise<Translation> {
  const opened = await openApi({ kubeconfig, context: null, environment: {}, userAgent: 'test' });
  assert.ok(opened.ok);
  const source = kubernetesSource({
    api: opened.api,
    namespaces: [],
    // Names are answered by the example, never by DNS.
    dnsServers: ['127.0.0.1:9'],
    watchIdleMs: 60_000,
    cache: null,
    onEvent: () => {},
  });
  const translator = createTranslator(options);
  let result: Translation | null = null;
  await source.start((snapshot) => {
    const translation = translator.translate({ ...snapshot, resolvedNames });
    const settled = source.want({ names: new Set(), secrets: translation.secrets });
    if (settled) result ??= translation;
  });
  await source.close();
  opened.api.close();
  assert.ok(result);
  return result;
}

describe('through an API server', () => {
  for (const file of readdirSync(TESTDATA).filter((name) => name.endsWith('.in.yaml'))) {
    test(file.replace('.in.yaml', '').replaceAll('-', ' '), async () => {
      const { options, resolvedNames, objects } = readExample(file);
      const all = { ...OPTIONS, ...options };
      const clean: (() => void | Promise<void>)[] = [];
      const cluster = await startFakeCluster({ after: (each) => void clean.push(each) }, objects);
      try {
        const expected = createTranslator(all).translate(fromFiles(cluster, resolvedNames));
        const { table, problems } = await fromCluster(cluster, all, resolvedNames);
        const later = { ...expected.table, generation: table.generation };
        assert.deepEqual(table, later);
        assert.deepEqual(new Set(problems), new Set(expected.problems));
      } finally {
        for (const each of clean) await each();
      }
    });
  }
});

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type AnyObject, EMPTY_SNAPSHOT } from '../../model/snapshot.ts';
import { decodeObject } from '../decode/all.ts';
import { nextSnapshot } from '../store.ts';
import { readCache, writeCache } from './snapshot-cache.ts';

function decoded(kind: string, name: string, spec: object): AnyObject {
  const apiVersion = kind === 'BGPPeer' ? 'metallb.io/v1beta2' : 'metallb.io/v1beta1';
  const metadata = { name, namespace: 'metallb-system' };
  const result = decodeObject({ apiVersion, kind, metadata, spec }, null);
  assert.equal(result.kind, 'decoded');
  return result.kind === 'decoded' ? result.records[0]! : assert.fail();
}

const pool = decoded('IPAddressPool', 'p', { addresses: ['192.0.2.0/24', '2001:db8::/64'] });
const peer = decoded('BGPPeer', 'open', { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.1' });
const secretive = decoded('BGPPeer', 'closed', {
  myASN: 64512,
  peerASN: 64513,
  peerAddress: '192.0.2.1',
  password: 'hunter2',
});

async function kept(put: readonly AnyObject[], secrets: boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-cache-'));
  try {
    const options = { file: join(folder, 'cache'), secrets, version: '1', server: 'test' };
    await writeCache(options, nextSnapshot(EMPTY_SNAPSHOT, { put }), 0);
    const read = await readCache(options);
    return {
      snapshot: read.kind === 'found' ? read.snapshot : assert.fail(read.kind),
      text: await readFile(options.file, 'utf8'),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('the file of the last good objects', () => {
  test('keeps address pools', async () => {
    const { snapshot } = await kept([pool], false);
    assert.deepEqual([...snapshot.ipAddressPools.values()], [pool]);
  });

  test('leaves out BGP peers with a password unless secrets are kept', async () => {
    const without = await kept([peer, secretive], false);
    assert.deepEqual([...without.snapshot.bgpPeers.values()], [peer]);
    assert.ok(!without.text.includes(Buffer.from('hunter2').toString('base64')));
    const all = await kept([peer, secretive], true);
    assert.equal(all.snapshot.bgpPeers.size, 2);
  });
});

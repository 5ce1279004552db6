import { parseCommunity } from '../../model/bgp-community.ts';
import type { BgpAdvertisement } from '../../model/metallb.ts';
import type { FilePosition } from '../../model/problem.ts';
import type { Field } from './field.ts';
import { decodeLabelSelectors } from './label-selector.ts';
import { decodeMeta } from './meta.ts';
import { decodeNames, decodePoolChoice } from './pool-choice.ts';

/** As many as one UPDATE carries with what else is in it. */
const MAX_COMMUNITIES = 63;

/** metallb.io/v1beta1 BGPAdvertisement. Whether its lengths suit its pools is not known here. */
export function decodeBgpAdvertisement(object: Field, position: FilePosition | null): BgpAdvertisement {
  const spec = object.get('spec');
  const serviceSelectors = decodeLabelSelectors(spec.get('serviceSelectors'));
  const aggregationLength = spec.get('aggregationLength').integerOr(32, 1, 32);
  const aggregationLengthV6 = spec.get('aggregationLengthV6').integerOr(128, 1, 128);
  if (serviceSelectors.length > 0 && (aggregationLength !== 32 || aggregationLengthV6 !== 128)) {
    const name = aggregationLength === 32 ? 'aggregationLengthV6' : 'aggregationLength';
    spec.get(name).fail('must be the whole length (32, 128) when there are serviceSelectors');
  }
  const communities = spec.get('communities');
  const texts = decodeNames(communities, MAX_COMMUNITIES);
  for (const [index, text] of texts.entries()) {
    if (parseCommunity(text) === 'out-of-range') {
      communities
        .list(MAX_COMMUNITIES)
        [index]?.mustBe('a community with numbers up to 65535 (in large: ones up to 4294967295)');
    }
  }
  const localPref = spec.get('localPref');
  return {
    kind: 'BGPAdvertisement',
    meta: decodeMeta(object, 'namespaced', position),
    ...decodePoolChoice(spec),
    aggregationLength,
    aggregationLengthV6,
    localPref: localPref.present ? localPref.integer(0, 4_294_967_295) : null,
    communities: texts,
    nodeSelectors: decodeLabelSelectors(spec.get('nodeSelectors')),
    peers: decodeNames(spec.get('peers')),
    serviceSelectors,
  };
}

import type { BgpPeer } from '../../model/metallb.ts';
import type { FilePosition } from '../../model/problem.ts';
import { SecretBytes } from '../../model/snapshot.ts';
import { readIp } from '../ip.ts';
import { decodeDuration } from './duration.ts';
import type { Field } from './field.ts';
import { decodeLabelSelectors } from './label-selector.ts';
import { decodeMeta } from './meta.ts';
import { DNS_LABEL, DNS_NAME } from './syntax.ts';

const MAX_ASN = 4_294_967_295;
/** TCP MD5 keys (Linux TCP_MD5SIG_MAXKEYLEN). */
const MAX_PASSWORD = 80;

/**
 * metallb.io BGPPeer, v1beta2 and v1beta1 (which has fewer fields, and whose absent times come as 0 from a
 * conversion). Unlike MetalLB, `peerPort` may be any port.
 */
export function decodeBgpPeer(object: Field, position: FilePosition | null): BgpPeer {
  const spec = object.get('spec');
  const meta = decodeMeta(object, 'namespaced', position);
  const old = object.get('apiVersion').textOr('').endsWith('/v1beta1');
  const myAsn = spec.get('myASN').integer(1, MAX_ASN);
  const peerAsn = decodePeerAsn(spec);
  const ebgpMultiHop = spec.get('ebgpMultiHop').booleanOr(false);
  if (ebgpMultiHop && (peerAsn === myAsn || peerAsn === 'internal'))
    spec.get('ebgpMultiHop').fail('must not be true for a peer of the same AS');
  return {
    kind: 'BGPPeer',
    meta,
    myAsn,
    peerAsn,
    localAsn: spec.get('localASN').integerOr(0, 0, MAX_ASN) || null,
    peer: decodePeer(spec),
    sourceAddress: decodeIp(spec.get('sourceAddress')),
    peerPort: spec.get('peerPort').integerOr(0, 0, 65_535) || 179,
    ...decodeTimes(spec, old),
    routerId: decodeRouterId(spec.get('routerID')),
    nodeSelectors: decodeLabelSelectors(spec.get('nodeSelectors')),
    ...decodePassword(spec, meta.namespace),
    bfdProfile: spec.get('bfdProfile').textOr(null),
    gracefulRestart: spec.get('enableGracefulRestart').booleanOr(false),
    ebgpMultiHop,
    vrf: spec.get('vrf').textOr(null),
    dualStackAddressFamily: spec.get('dualStackAddressFamily').booleanOr(false),
  };
}

function decodePeerAsn(spec: Field): BgpPeer['peerAsn'] {
  const number = spec.get('peerASN').integerOr(0, 0, MAX_ASN);
  const field = spec.get('dynamicASN');
  const dynamic = field.textOr('') === '' ? null : field.oneOf(['internal', 'external']);
  if (number === 0 && dynamic === null) spec.get('peerASN').fail('is required when there is no dynamicASN');
  if (number !== 0 && dynamic !== null) field.fail('must not be given together with peerASN');
  return dynamic ?? number;
}

function decodePeer(spec: Field): BgpPeer['peer'] {
  const address = decodeIp(spec.get('peerAddress'));
  const name = spec.get('interface').textOr(null);
  if (address !== null && name !== null)
    spec.get('interface').fail('must not be given together with peerAddress');
  if (name !== null) return { kind: 'interface', name };
  if (address === null && !spec.get('peerAddress').present)
    spec.get('peerAddress').fail('is required when there is no interface');
  return { kind: 'address', address: address ?? '' };
}

/** Hold and keepalive time as RFC 4271 section 4.2 has them: whole seconds, the hold time 0 or at least 3. */
function decodeTimes(
  spec: Field,
  zeroIsAbsent: boolean,
): Pick<BgpPeer, 'holdTimeSeconds' | 'keepaliveSeconds' | 'connectSeconds'> {
  const seconds = (field: Field): number | null => {
    const ms = decodeDuration(field);
    return ms === null || (ms === 0 && zeroIsAbsent) ? null : Math.floor(ms / 1000);
  };
  const hold = seconds(spec.get('holdTime'));
  const keepalive = seconds(spec.get('keepaliveTime'));
  const connect = seconds(spec.get('connectTime'));
  if (hold !== null && hold !== 0 && (hold < 3 || hold > 65_535))
    spec.get('holdTime').mustBe('0s or from 3s to 65535s');
  if (hold !== null && keepalive !== null && keepalive > hold)
    spec.get('keepaliveTime').fail('must not be longer than holdTime');
  if (keepalive !== null && keepalive > 21_845) spec.get('keepaliveTime').mustBe('at most 21845s');
  if (connect !== null && (connect < 1 || connect > 65_535))
    spec.get('connectTime').mustBe('from 1s to 65535s');
  return {
    holdTimeSeconds: hold ?? (keepalive === null ? null : keepalive === 0 ? 0 : Math.max(3, keepalive * 3)),
    keepaliveSeconds: keepalive ?? (hold === null ? null : Math.floor(hold / 3)),
    connectSeconds: connect,
  };
}

function decodePassword(spec: Field, ownNamespace: string): Pick<BgpPeer, 'password' | 'passwordSecret'> {
  const text = spec.get('password').confidential().textOr('', PASSWORD);
  const secret = spec.get('passwordSecret');
  const name = secret.get('name').textOr('', DNS_NAME);
  const namespace = secret.get('namespace').textOr(ownNamespace, DNS_LABEL);
  if (text !== '' && name !== '') secret.fail('must not be given together with password');
  return {
    password: text === '' ? null : new SecretBytes(Buffer.from(text)),
    passwordSecret: name === '' ? null : { namespace, name },
  };
}

const PASSWORD = {
  expected: `a text of at most ${MAX_PASSWORD} bytes`,
  maxLength: MAX_PASSWORD,
  test: (text: string) => Buffer.byteLength(text) <= MAX_PASSWORD,
};

function decodeIp(field: Field): string | null {
  const text = field.textOr('');
  if (text === '') return null;
  const ip = readIp(text);
  if (ip === null) field.mustBe('an IP address');
  return ip?.address ?? null;
}

function decodeRouterId(field: Field): string | null {
  const text = decodeIp(field);
  if (text === null) return null;
  if (text.includes(':') || text === '0.0.0.0') field.mustBe('an IPv4 address, not 0.0.0.0');
  return text;
}

/** Client certificates: what the auth-tls-* annotations of an Ingress ask for, with the Secret they name. */
import { createHash } from 'node:crypto';
import type { ClientAuth } from '../../model/certificate.ts';
import type { ObjectKey } from '../../model/keys.ts';
import type { ProblemText } from '../../model/problem-of.ts';
import { type Ingress, type Secret, SecretBytes } from '../../model/snapshot.ts';
import { readAuthorities, textOf } from './authorities.ts';
import { secretReference } from './secret-reference.ts';
import { EXPECTED_PATTERN, isUsablePattern } from './subject-pattern.ts';

/** What the annotations say; without a Secret the others mean nothing. */
export interface ClientAuthAsked {
  /** `namespace/name`. */
  readonly secret: string | null;
  readonly verify: 'on' | 'off' | 'optional' | 'optional_no_ca';
  readonly depth: number;
  readonly passCertificate: boolean;
  /** `CN=` and a regular expression, as it was written; '' for none. */
  readonly matchSubject: string;
  readonly errorPage: string;
}

export const NOTHING_ASKED: ClientAuthAsked = {
  secret: null,
  verify: 'on',
  depth: 1,
  passCertificate: false,
  matchSubject: '',
  errorPage: '',
};

export interface ReadClientAuth {
  /** null: no certificate is asked for. */
  readonly clientAuth: ClientAuth | null;
  readonly problem: ProblemText | null;
  /** The Secret that was looked up, found or not; null when none is named that may be. */
  readonly secret: ObjectKey | null;
}

const NONE: ReadClientAuth = { clientAuth: null, problem: null, secret: null };

/** When the Secret cannot be used the hosts are closed, never open: nobody gets in without what was asked for. */
export function readClientAuth(
  ingress: Ingress,
  asked: ClientAuthAsked,
  secrets: ReadonlyMap<ObjectKey, Secret>,
): ReadClientAuth {
  const { secret: named, verify, depth, passCertificate, matchSubject, errorPage } = asked;
  if (named === null || verify === 'off') return NONE;
  const reference = secretReference(ingress, named);
  const key = reference.kind === 'own' ? reference.key : null;
  const refuse = (reason: ProblemText['reason'], fault: string, annotation = 'secret'): ReadClientAuth => ({
    clientAuth: { kind: 'closed', id: 'closed' },
    problem: {
      severity: 'error',
      reason,
      field: `metadata.annotations[nginx.ingress.kubernetes.io/auth-tls-${annotation}]`,
      message: `${fault}; until that is mended every request to the hosts of this Ingress is refused`,
    },
    secret: key,
  });
  if (reference.kind === 'refused') return refuse('InvalidAnnotation', reference.fault);
  if (matchSubject !== '' && !isUsablePattern(matchSubject)) {
    const shown = JSON.stringify(matchSubject.slice(0, 100));
    return refuse('InvalidAnnotation', `${shown} is not valid: ${EXPECTED_PATTERN}`, 'match-cn');
  }
  const secret = secrets.get(reference.key);
  if (secret === undefined) return refuse('SecretNotFound', `there is no Secret ${key}`);
  const authorities = readAuthorities(secret, false);
  if (authorities.fault !== null) return refuse('InvalidSecret', authorities.fault);
  const { text } = authorities;
  const mode = verify === 'on' ? 'required' : verify === 'optional' ? 'optional' : 'unverified';
  const revoked = textOf(secret, 'ca.crl');
  if (revoked !== '' && !revoked.includes('-----BEGIN X509 CRL-----'))
    return refuse('InvalidSecret', `Secret ${key} has no PEM revocation list in ca.crl`);
  const id = createHash('sha256')
    .update(JSON.stringify([mode, depth, passCertificate, matchSubject, errorPage, text, revoked]))
    .digest('hex');
  return {
    clientAuth: {
      kind: 'ask',
      id,
      mode,
      depth,
      passCertificate,
      matchSubject,
      errorPage,
      authorities: secretText(text),
      revoked: secretText(revoked),
    },
    problem: null,
    secret: key,
  };
}

function secretText(text: string): SecretBytes {
  return new SecretBytes(Buffer.from(text, 'latin1'));
}

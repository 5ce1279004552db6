/** What all speakers are told alike: which addresses to announce, and who may. Plain data. */

export interface WantedAddress {
  /** In its one spelling. */
  readonly address: string;
  /** Nodes that may announce it, the best first; the first that can, does. */
  readonly candidates: readonly Candidate[];
}

export interface Candidate {
  readonly node: string;
  /** Where; null for all interfaces that are not excluded. */
  readonly interfaces: readonly string[] | null;
}

/** A speaker as others know it. */
export interface Member {
  readonly name: string;
  /** Interfaces that are up and not excluded. */
  readonly interfaces: readonly string[];
  /** Addresses that it answers for; true for those that it would hand over, since it knows somebody better. */
  readonly claims: ReadonlyMap<string, boolean>;
  /** It hands its addresses over and ends. */
  readonly leaving: boolean;
}

/** Who should announce: the first candidate that lives, stays and has an interface for it; null for nobody. */
export function elect(wanted: WantedAddress, members: ReadonlyMap<string, Member>): string | null {
  for (const candidate of wanted.candidates) {
    const member = members.get(candidate.node);
    if (member !== undefined && !member.leaving && usableInterfaces(candidate, member).length > 0)
      return candidate.node;
  }
  return null;
}

/** Of a candidate's interfaces those that its node has. */
export function usableInterfaces({ interfaces }: Candidate, member: Member): readonly string[] {
  return interfaces === null
    ? member.interfaces
    : interfaces.filter((name) => member.interfaces.includes(name));
}

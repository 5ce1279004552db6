/**
 * Announces the addresses of Services from this node; the same inside `run` and in a process of its own. It is told of
 * every snapshot, works out what follows for this node, and hands it to the threads that talk to routers and
 * neighbours.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { BfdStatus } from '../../announce/bfd/status.ts';
import type { SessionStatus } from '../../announce/bgp/session.ts';
import { RoutingThread } from '../../announce/bgp/thread.ts';
import { ConfigurationReader, passwordSecrets } from '../../announce/configuration.ts';
import type { Layer2Conflict, Layer2Status } from '../../announce/layer2/status.ts';
import { Layer2Thread } from '../../announce/layer2/thread.ts';
import { hostAsNode } from '../../announce/own-node.ts';
import { type AnnouncementPlan, conflictProblems, planAnnouncements } from '../../announce/plan.ts';
import { addressReports, interfaceReports, peerReports, routeReports } from '../../announce/report.ts';
import type { AddressOptions, AddressPlan } from '../../ipam/address-planner.ts';
import { exposedServices } from '../../ipam/service-addresses.ts';
import { interfaceNames } from '../../linux/interfaces.ts';
import { type ObjectKey, objectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import type { Node, Snapshot } from '../../model/snapshot.ts';
import type { Notice, SpeakerReport } from '../../model/speaker-report.ts';
import type { Log } from '../../observe/log.ts';
import type { SpeakerSettings } from '../../settings/speaker.ts';
import type { ListenAddress } from '../../settings/values.ts';

export interface NodeSpeakerOptions {
  readonly settings: SpeakerSettings;
  readonly source: 'manifests' | 'kubernetes';
  readonly addresses: AddressOptions;
  readonly log: Log;
  /** What is announced changed, or what is wrong with it, without an update. */
  readonly onChange: () => void;
}

const NO_SECRETS: ReadonlySet<ObjectKey> = new Set();
const NO_PROBLEMS: readonly Problem[] = [];
const MAX_NOTICES = 20;
/** A speaker that missed so many heartbeats is dead. */
const MISSED_HEARTBEATS = 4;
/** A conflict that was not seen for so long is over. */
const CONFLICT_MS = 150_000;
const LEAST_KEY_BYTES = 16;
/** Peers read it (RFC 9003). */
const FAREWELL = 'the speaker was told to stop';

export class NodeSpeaker {
  readonly #options: NodeSpeakerOptions;
  readonly #configuration: ConfigurationReader;
  readonly #key: Uint8Array | null;
  /** Each begins when there is something to announce that way. */
  #routing: RoutingThread | null = null;
  #layer2: Layer2Thread | null = null;
  readonly #sessions = new Map<string, SessionStatus>();
  readonly #bfd = new Map<string, BfdStatus>();
  #neighbours: Layer2Status | null = null;
  readonly #notices: Notice[] = [];
  #seen: readonly unknown[] = [];
  #plan: AnnouncementPlan | null = null;
  /** Of the plan, and of the plan and the wire together. */
  #planProblems: readonly Problem[] = NO_PROBLEMS;
  #problems: readonly Problem[] = NO_PROBLEMS;
  /** By address; told again once a minute while they last. */
  readonly #conflicts = new Map<string, Layer2Conflict & { readonly seenAt: number }>();
  readonly #forgetting: NodeJS.Timeout;

  /** Throws with a message for the user when the shared key cannot be used. */
  constructor(options: NodeSpeakerOptions) {
    this.#options = options;
    this.#configuration = new ConfigurationReader(options.addresses.poolNamespace);
    this.#key = options.settings.key === null ? null : readKey(options.settings.key);
    this.#forgetting = setInterval(() => this.#forgetConflicts(), CONFLICT_MS / 5);
  }

  /** Secrets that are needed to make something of a snapshot: passwords of peers. */
  secretsFor(snapshot: Snapshot): ReadonlySet<ObjectKey> {
    const node = this.#ownNode(snapshot);
    return node === null ? NO_SECRETS : passwordSecrets(this.#configuration.read(snapshot).snapshot, node);
  }

  /** From here on this is what is to be announced. Gives what is wrong with it, the same list while that is the same. */
  update(snapshot: Snapshot, addresses: AddressPlan): readonly Problem[] {
    const seen = [addresses, ...INPUTS.map((name) => snapshot[name])];
    if (seen.every((value, index) => value === this.#seen[index])) return this.#problems;
    const node = this.#ownNode(snapshot);
    if (node === null) {
      this.#notice(
        `there is no Node "${this.#options.settings.nodeName}": nothing changes here; set --node-name (or NODE_NAME by fieldRef spec.nodeName) to the name of the Node that this runs on`,
      );
      return this.#problems;
    }
    this.#seen = seen;
    const { snapshot: sources, problems: leftOut } = this.#configuration.read(snapshot);
    const { settings, source, addresses: options } = this.#options;
    const plan = planAnnouncements({
      sources,
      node,
      services: exposedServices({
        services: snapshot.services,
        namespaces: snapshot.namespaces,
        pools: addresses.pools,
        ownership: options.ownership,
        decided: source === 'manifests' ? addresses.allocations : null,
        announceExternalIps: settings.announceExternalIps,
      }),
      ignoreExcludeLabel: settings.announceExcludedNodes,
      interfaces: new Set(interfaceNames()),
    });
    const before = this.#plan;
    this.#plan = plan;
    this.#applyRoutes(plan, before);
    this.#applyLayer2(plan, before);
    this.#planProblems = [...leftOut, ...plan.problems];
    this.#joinProblems();
    return this.#problems;
  }

  /** What is wrong with what is to be announced; the same list while that is the same. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** What is announced now, and how it stands with those that are told. */
  report(): SpeakerReport {
    const plan = this.#plan;
    const bgp = plan?.bgp ?? { peers: [], routes: new Map() };
    return {
      node: this.#options.settings.nodeName,
      addresses: plan === null ? [] : addressReports(plan, this.#neighbours),
      peers: peerReports(bgp, this.#sessions, this.#bfd),
      routes: routeReports(bgp.routes),
      speakers: this.#neighbours?.members.map(({ name }) => name) ?? [],
      interfaces: interfaceReports(this.#neighbours),
      conflicts: this.#neighbours?.conflicts ?? [],
      notices: [...this.#notices],
    };
  }

  /** Resolves when neighbours and routers know that we are gone. */
  async stop(): Promise<void> {
    clearInterval(this.#forgetting);
    const kind = this.#keepsRoutes() ? 'restart' : 'shutdown';
    await Promise.all([this.#layer2?.stop(), this.#routing?.stop({ kind, text: FAREWELL })]);
  }

  /** A cordoned Node is about to be emptied: then nobody comes back soon. */
  #keepsRoutes(): boolean {
    const { stop } = this.#options.settings;
    return stop === 'keep' || (stop === 'auto' && this.#plan?.node.unschedulable === false);
  }

  #ownNode({ nodes }: Snapshot): Node | null {
    const { settings, source } = this.#options;
    const node = nodes.get(objectKey('', settings.nodeName));
    if (node !== undefined) return node;
    return source === 'manifests' ? hostAsNode(settings.nodeName, ownAddresses()) : null;
  }

  #applyRoutes({ bgp: { peers, routes } }: AnnouncementPlan, before: AnnouncementPlan | null): void {
    if (isDeepStrictEqual([peers, routes], [before?.bgp.peers, before?.bgp.routes])) return;
    const names = new Set(peers.map(({ name }) => name));
    for (const name of this.#sessions.keys()) if (!names.has(name)) this.#sessions.delete(name);
    const watched = new Set(peers.flatMap(({ bfd, address }) => (bfd === null ? [] : [address])));
    for (const address of this.#bfd.keys()) if (!watched.has(address)) this.#bfd.delete(address);
    if (this.#routing === null && peers.length > 0) this.#routing = this.#startRouting();
    this.#routing?.apply({ peers, routes });
  }

  #startRouting(): RoutingThread {
    const routing = new RoutingThread({
      onStatus: (status) => this.#onSession(status),
      onBfd: (status) => this.#bfd.set(status.address, status),
      onProblem: (text) => this.#notice(text),
    });
    const { bgpListen } = this.#options.settings;
    if (bgpListen !== null) routing.listen(listenAddresses(bgpListen));
    return routing;
  }

  #applyLayer2({ layer2, speakers }: AnnouncementPlan, before: AnnouncementPlan | null): void {
    const wanted = { addresses: layer2.addresses, peers: speakers };
    if (isDeepStrictEqual(wanted, { addresses: before?.layer2.addresses, peers: before?.speakers })) return;
    if (this.#key === null && speakers.length > 1) {
      // All of them would answer.
      this.#notice(
        `${speakers.length} Nodes may announce addresses by ARP and NDP (L2Advertisement), so their speakers must share a secret: give all of them the same file with --speaker-key. Nothing is announced that way.`,
      );
      return this.#layer2?.set({ addresses: [], peers: [] });
    }
    if (this.#layer2 === null && layer2.addresses.length > 0) this.#layer2 = this.#startLayer2();
    this.#layer2?.set(wanted);
  }

  #startLayer2(): Layer2Thread {
    const { nodeName, port, heartbeatMs, excludedInterfaces } = this.#options.settings;
    return new Layer2Thread(
      {
        node: nodeName,
        port,
        address: null,
        key: this.#key,
        intervalMs: heartbeatMs,
        missed: MISSED_HEARTBEATS,
        excludedInterfaces,
      },
      {
        onStatus: (status) => this.#onNeighbours(status),
        onConflict: (conflict) => this.#onConflict(conflict),
        onProblem: (text) => this.#notice(text),
      },
    );
  }

  #onSession(status: SessionStatus): void {
    const { name, address, state, lastError } = status;
    if (this.#plan?.bgp.peers.every((peer) => peer.name !== name) !== false) return;
    const wasUp = this.#sessions.get(name)?.state === 'Established';
    const isUp = state === 'Established';
    this.#sessions.set(name, status);
    const { log } = this.#options;
    if (isUp && !wasUp) log.info('bgp-session-up', `BGP with ${name} is up`, { peer: name, address });
    if (wasUp && !isUp)
      log.warn('bgp-session-down', `BGP with ${name} is down: ${lastError}`, { peer: name });
  }

  #onNeighbours(status: Layer2Status): void {
    const before = announced(this.#neighbours);
    const now = announced(status);
    this.#neighbours = status;
    const { log } = this.#options;
    const came = [...now].filter((address) => !before.has(address));
    const went = [...before].filter((address) => !now.has(address));
    if (came.length > 0) log.info('layer2-taken', 'this node answers for addresses', some(came));
    if (went.length > 0) log.info('layer2-given', 'this node no longer answers for addresses', some(went));
    if (came.length + went.length > 0) this.#options.onChange();
  }

  #onConflict(conflict: Layer2Conflict): void {
    this.#conflicts.set(conflict.address, { ...conflict, seenAt: performance.now() });
    if (this.#joinProblems()) this.#options.onChange();
  }

  #forgetConflicts(): void {
    const now = performance.now();
    for (const [address, { seenAt }] of this.#conflicts)
      if (now - seenAt > CONFLICT_MS) this.#conflicts.delete(address);
    if (this.#joinProblems()) this.#options.onChange();
  }

  /** Whether there is anything new. */
  #joinProblems(): boolean {
    const found = conflictProblems(this.#plan?.services ?? [], this.#conflicts);
    const problems = [...this.#planProblems, ...found];
    if (isDeepStrictEqual(problems, this.#problems)) return false;
    this.#problems = problems;
    return true;
  }

  #notice(text: string): void {
    if (this.#notices.at(-1)?.text === text) return;
    this.#notices.push({ at: Date.now(), text });
    if (this.#notices.length > MAX_NOTICES) this.#notices.shift();
    this.#options.log.warn('speaker-trouble', text);
  }
}

/** What a plan depends on. */
const INPUTS = [
  'services',
  'namespaces',
  'endpointSlices',
  'nodes',
  'secrets',
  'ipAddressPools',
  'l2Advertisements',
  'bgpAdvertisements',
  'bgpPeers',
  'communities',
  'bfdProfiles',
] as const;

/** `::` is for both families, which are sockets of their own here. */
function listenAddresses({ address, port }: ListenAddress): { host: string; port: number }[] {
  return (address === '::' ? ['0.0.0.0', '::'] : [address]).map((host) => ({ host, port }));
}

/** Those that others could know this host by, IPv4 first. */
function ownAddresses(): string[] {
  const entries = Object.values(networkInterfaces()).flatMap((list = []) => list);
  const outside = entries.filter(({ internal, scopeid }) => !internal && !scopeid);
  return outside.sort((a, b) => (a.family < b.family ? -1 : 1)).map(({ address }) => address);
}

function readKey(file: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`--speaker-key: ${(error as Error).message}`);
  }
  const key = new TextEncoder().encode(text);
  if (key.length >= LEAST_KEY_BYTES) return key;
  throw new Error(
    `--speaker-key: ${file} has ${key.length} bytes: expected at least ${LEAST_KEY_BYTES}, like those of: openssl rand -hex 32`,
  );
}

const MAX_TOLD = 100;

const announced = (status: Layer2Status | null): ReadonlySet<string> =>
  new Set(status?.addresses.flatMap(({ address, state }) => (state === 'announcing' ? [address] : [])));

const some = (addresses: readonly string[]) => ({
  addresses: addresses.slice(0, MAX_TOLD),
  count: addresses.length,
});

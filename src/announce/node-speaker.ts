/**
 * Announces the addresses of Services from this node; the same inside `run` and in a process of its own. It is told of
 * every snapshot, works out what follows for this node, and hands it to the threads that talk to routers and
 * neighbours.
 */
import { isDeepStrictEqual } from 'node:util';
import { interfaceNames } from '../linux/interfaces.ts';
import { type ObjectKey, objectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import type { ExposedService } from '../model/service-address.ts';
import type { Node, Snapshot } from '../model/snapshot.ts';
import type { Notice, SpeakerReport } from '../model/speaker-report.ts';
import type { BfdStatus } from './bfd/status.ts';
import type { ListenAddress } from './bgp/listener.ts';
import type { SessionStatus } from './bgp/session.ts';
import { RoutingThread } from './bgp/thread.ts';
import { ConfigurationReader, METALLB_KINDS, passwordSecrets } from './configuration.ts';
import { ConflictMemory, conflictProblems } from './conflicts.ts';
import type { Layer2Conflict, Layer2Status } from './layer2/status.ts';
import { Layer2Thread } from './layer2/thread.ts';
import { hostAddresses, hostAsNode } from './own-node.ts';
import { type AnnouncementPlan, planAnnouncements } from './plan.ts';
import { addressReports, interfaceReports, peerReports, routeReports } from './report.ts';

export interface NodeSpeakerSettings {
  readonly nodeName: string;
  /** null: nobody can connect to us. `::` is for both families. */
  readonly bgpListen: { readonly address: string; readonly port: number } | null;
  /** Regular expressions. */
  readonly excludedInterfaces: readonly string[];
  /** UDP port of the heartbeats among speakers. */
  readonly port: number;
  readonly heartbeatMs: number;
  /** What peers with graceful restart do with our routes when we stop; `auto` asks whether the Node is cordoned. */
  readonly stop: 'auto' | 'withdraw' | 'keep';
  /** Announce from nodes that are to be left out of load balancing, too. */
  readonly announceExcludedNodes: boolean;
}

/** Who serves, in this program, the addresses that are announced. */
export interface AddressUser {
  /** Resolves when another node may take the address: little is cut then. New connections to it wait until `retain`. */
  release(address: string): Promise<void>;
  /** The address has gone, or stays. No harm without a `release`. */
  retain(address: string): void;
}

export interface NodeSpeakerOptions {
  readonly settings: NodeSpeakerSettings;
  /** What all speakers share; null: there are no others. */
  readonly key: Uint8Array | null;
  /** Where objects of metallb.io are read from; null for every namespace. */
  readonly metallbNamespace: string | null;
  /** Announce also where no Node object describes this host. */
  readonly withoutNode: boolean;
  /** null: another program does. */
  readonly user: AddressUser | null;
  readonly onEvent: (
    level: 'info' | 'warn',
    event: string,
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ) => void;
  /** What is announced changed, or what is wrong with it, without an update. */
  readonly onChange: () => void;
}

const NO_SECRETS: ReadonlySet<ObjectKey> = new Set();
const NO_PROBLEMS: readonly Problem[] = [];
const MAX_NOTICES = 20;
/** A speaker that missed so many heartbeats is dead. */
const MISSED_HEARTBEATS = 4;
/** Who serves an address may take this long to let it go; it takes less unless it hangs. */
const RELEASE_MS = 1200;
/** How often is looked which conflicts are over. */
const FORGET_MS = 30_000;
/** Peers read it (RFC 9003). */
const FAREWELL = 'the speaker was told to stop';

export class NodeSpeaker {
  readonly #options: NodeSpeakerOptions;
  readonly #configuration: ConfigurationReader;
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
  readonly #conflicts = new ConflictMemory();
  readonly #forgetting: NodeJS.Timeout;

  constructor(options: NodeSpeakerOptions) {
    this.#options = options;
    this.#configuration = new ConfigurationReader(options.metallbNamespace);
    this.#forgetting = setInterval(() => this.#forgetConflicts(), FORGET_MS);
  }

  /** Secrets that are needed to make something of a snapshot: passwords of peers. */
  secretsFor(snapshot: Snapshot): ReadonlySet<ObjectKey> {
    const node = this.#ownNode(snapshot);
    return node === null ? NO_SECRETS : passwordSecrets(this.#configuration.read(snapshot).snapshot, node);
  }

  /**
   * From here on this is what is to be announced; `services` are those of the snapshot that are reached from outside,
   * the same list while nothing about them changed. Gives what is wrong with it, the same list while that is the same.
   */
  update(snapshot: Snapshot, services: readonly ExposedService[]): readonly Problem[] {
    const seen = [services, ...INPUTS.map((name) => snapshot[name])];
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
    const plan = planAnnouncements({
      sources,
      node,
      services,
      ignoreExcludeLabel: this.#options.settings.announceExcludedNodes,
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
    await Promise.all([this.#layer2?.stop(), this.#stopRouting()]);
  }

  async #stopRouting(): Promise<void> {
    const { user } = this.#options;
    if (user !== null) await Promise.all(this.#routed().map((address) => user.release(address)));
    const kind = this.#keepsRoutes() ? 'restart' : 'shutdown';
    await this.#routing?.stop({ kind, text: FAREWELL });
  }

  /** Addresses that routers are told of. */
  #routed(): string[] {
    const { services, bgp } = this.#plan ?? { services: [], bgp: { services: new Map() } };
    return services
      .filter(({ service }) => bgp.services.get(service.meta.key)?.verdict === 'announced')
      .flatMap(({ addresses }) => addresses.map(({ address }) => address));
  }

  /** A cordoned Node is about to be emptied: then nobody comes back soon. What we serve ourselves ends with us. */
  #keepsRoutes(): boolean {
    const { settings, user } = this.#options;
    const comesBack = user === null && this.#plan?.node.unschedulable === false;
    return settings.stop === 'keep' || (settings.stop === 'auto' && comesBack);
  }

  #ownNode({ nodes }: Snapshot): Node | null {
    const { settings, withoutNode } = this.#options;
    const node = nodes.get(objectKey('', settings.nodeName));
    if (node !== undefined) return node;
    return withoutNode ? hostAsNode(settings.nodeName, hostAddresses()) : null;
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
    if (this.#options.key === null && speakers.length > 1) {
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
    const { settings, key } = this.#options;
    const { nodeName, port, heartbeatMs, excludedInterfaces } = settings;
    return new Layer2Thread(
      {
        node: nodeName,
        port,
        address: null,
        key,
        intervalMs: heartbeatMs,
        missed: MISSED_HEARTBEATS,
        excludedInterfaces,
        releaseMs: this.#options.user === null ? 0 : RELEASE_MS,
      },
      {
        onRelease: (address) => this.#release(address),
        onRetain: (address) => this.#options.user?.retain(address),
        onStatus: (status) => this.#onNeighbours(status),
        onConflict: (conflict) => this.#onConflict(conflict),
        onProblem: (text) => this.#notice(text),
      },
    );
  }

  #release(address: string): void {
    void this.#options.user?.release(address).then(() => this.#layer2?.released(address));
  }

  #onSession(status: SessionStatus): void {
    const { name, address, state, lastError } = status;
    if (this.#plan?.bgp.peers.every((peer) => peer.name !== name) !== false) return;
    const wasUp = this.#sessions.get(name)?.state === 'Established';
    const isUp = state === 'Established';
    this.#sessions.set(name, status);
    const { onEvent } = this.#options;
    if (isUp && !wasUp) onEvent('info', 'bgp-session-up', `BGP with ${name} is up`, { peer: name, address });
    if (wasUp && !isUp)
      onEvent('warn', 'bgp-session-down', `BGP with ${name} is down: ${lastError}`, { peer: name });
  }

  #onNeighbours(status: Layer2Status): void {
    const before = announced(this.#neighbours);
    const now = announced(status);
    this.#neighbours = status;
    const { onEvent, onChange } = this.#options;
    const came = [...now].filter((address) => !before.has(address));
    const went = [...before].filter((address) => !now.has(address));
    if (came.length > 0) onEvent('info', 'layer2-taken', 'this node answers for addresses', some(came));
    if (went.length > 0)
      onEvent('info', 'layer2-given', 'this node no longer answers for addresses', some(went));
    if (came.length + went.length > 0) onChange();
  }

  #onConflict(conflict: Layer2Conflict): void {
    this.#conflicts.remember(conflict, performance.now());
    if (this.#joinProblems()) this.#options.onChange();
  }

  #forgetConflicts(): void {
    this.#conflicts.forget(performance.now());
    if (this.#joinProblems()) this.#options.onChange();
  }

  /** Whether there is anything new. */
  #joinProblems(): boolean {
    const found = conflictProblems(this.#plan?.services ?? [], this.#conflicts.byAddress);
    const problems = [...this.#planProblems, ...found];
    if (isDeepStrictEqual(problems, this.#problems)) return false;
    this.#problems = problems;
    return true;
  }

  #notice(text: string): void {
    if (this.#notices.at(-1)?.text === text) return;
    this.#notices.push({ at: Date.now(), text });
    if (this.#notices.length > MAX_NOTICES) this.#notices.shift();
    this.#options.onEvent('warn', 'speaker-trouble', text);
  }
}

/** What a plan depends on. */
const INPUTS = ['services', 'namespaces', 'endpointSlices', 'nodes', 'secrets', ...METALLB_KINDS] as const;

/** `::` is for both families, which are sockets of their own here. */
function listenAddresses({ address, port }: NonNullable<NodeSpeakerSettings['bgpListen']>): ListenAddress[] {
  return (address === '::' ? ['0.0.0.0', '::'] : [address]).map((host) => ({ host, port }));
}

const MAX_TOLD = 100;

const announced = (status: Layer2Status | null): ReadonlySet<string> =>
  new Set(status?.addresses.flatMap(({ address, state }) => (state === 'announcing' ? [address] : [])));

const some = (addresses: readonly string[]) => ({
  addresses: addresses.slice(0, MAX_TOLD),
  count: addresses.length,
});

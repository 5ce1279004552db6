/**
 * Announces the addresses of Services from this node; the same inside `run` and in a process of its own. It is told of
 * every snapshot, works out what follows for this node, and hands it to those who talk to routers and neighbours.
 */
import { networkInterfaces } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { BfdStatus } from '../announce/bfd/status.ts';
import { type NodePlan, planNode } from '../announce/bgp/plan.ts';
import type { SessionStatus } from '../announce/bgp/session.ts';
import { RoutingThread } from '../announce/bgp/thread.ts';
import { ConfigurationReader, passwordSecrets } from '../announce/configuration.ts';
import { hostAsNode } from '../announce/own-node.ts';
import { addressReports, peerReports, routeReports } from '../announce/report.ts';
import type { AddressOptions, AddressPlan } from '../ipam/address-planner.ts';
import { exposedServices } from '../ipam/service-addresses.ts';
import { type ObjectKey, objectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import type { ExposedService } from '../model/service-address.ts';
import type { Node, Snapshot } from '../model/snapshot.ts';
import type { Notice, SpeakerReport } from '../model/speaker-report.ts';
import type { Log } from '../observe/log.ts';
import type { SpeakerSettings } from '../settings/speaker.ts';
import type { ListenAddress } from '../settings/values.ts';

export interface NodeSpeakerOptions {
  readonly settings: SpeakerSettings;
  readonly source: 'manifests' | 'kubernetes';
  readonly addresses: AddressOptions;
  readonly log: Log;
}

/** What the last snapshot came to. */
interface Planned {
  readonly node: Node;
  readonly services: readonly ExposedService[];
  readonly bgp: NodePlan;
  readonly problems: readonly Problem[];
}

const NO_PLAN: NodePlan = { peers: [], routes: new Map(), services: new Map(), problems: [] };
const NO_SECRETS: ReadonlySet<ObjectKey> = new Set();
const NO_PROBLEMS: readonly Problem[] = [];
const MAX_NOTICES = 20;
/** Peers read it (RFC 9003). */
const FAREWELL = 'the speaker was told to stop';

export class NodeSpeaker {
  readonly #options: NodeSpeakerOptions;
  readonly #configuration: ConfigurationReader;
  readonly #routing: RoutingThread;
  readonly #sessions = new Map<string, SessionStatus>();
  readonly #bfd = new Map<string, BfdStatus>();
  readonly #notices: Notice[] = [];
  #seen: readonly unknown[] = [];
  #planned: Planned | null = null;

  constructor(options: NodeSpeakerOptions) {
    this.#options = options;
    this.#configuration = new ConfigurationReader(options.addresses.poolNamespace);
    this.#routing = new RoutingThread({
      onStatus: (status) => this.#onSession(status),
      onBfd: (status) => this.#bfd.set(status.address, status),
      onProblem: (text) => this.#notice(text),
    });
    this.#routing.listen(listenAddresses(options.settings.bgpListen));
  }

  /** Secrets that are needed to make something of a snapshot: passwords of peers. */
  secretsFor(snapshot: Snapshot): ReadonlySet<ObjectKey> {
    const node = this.#ownNode(snapshot);
    return node === null ? NO_SECRETS : passwordSecrets(this.#configuration.read(snapshot).snapshot, node);
  }

  /** From here on this is what is to be announced. Gives what is wrong with it, the same list while that is the same. */
  update(snapshot: Snapshot, addresses: AddressPlan): readonly Problem[] {
    const seen = [addresses, ...INPUTS.map((name) => snapshot[name])];
    if (this.#planned !== null && seen.every((value, index) => value === this.#seen[index]))
      return this.#planned.problems;
    this.#seen = seen;
    const { snapshot: sources, problems: left } = this.#configuration.read(snapshot);
    const node = this.#ownNode(snapshot);
    if (node === null) {
      this.#notice(
        `there is no Node "${this.#options.settings.nodeName}": nothing changes here; set --node-name (or NODE_NAME by fieldRef spec.nodeName) to the name of the Node that this runs on`,
      );
      return this.#planned?.problems ?? NO_PROBLEMS;
    }
    const { settings, source, addresses: options } = this.#options;
    const services = exposedServices({
      services: snapshot.services,
      namespaces: snapshot.namespaces,
      pools: addresses.pools,
      ownership: options.ownership,
      decided: source === 'manifests' ? addresses.allocations : null,
      announceExternalIps: settings.announceExternalIps,
    });
    const bgp = planNode({
      sources,
      node,
      services,
      namespace: null,
      ignoreExcludeLabel: settings.announceExcludedNodes,
    });
    const before = this.#planned;
    const problems = [...left, ...bgp.problems];
    this.#planned = {
      node,
      services,
      bgp,
      problems: isDeepStrictEqual(problems, before?.problems) ? before!.problems : problems,
    };
    this.#applyRoutes(bgp, before?.bgp ?? NO_PLAN);
    return this.#planned.problems;
  }

  /** What is announced now, and how it stands with those that are told. */
  report(): SpeakerReport {
    const { bgp = NO_PLAN, services = [] } = this.#planned ?? {};
    return {
      node: this.#options.settings.nodeName,
      addresses: addressReports(services, bgp),
      peers: peerReports(bgp, this.#sessions, this.#bfd),
      routes: routeReports(bgp.routes),
      notices: [...this.#notices],
    };
  }

  /** Resolves when neighbours and routers know that we are gone. */
  async stop(): Promise<void> {
    await this.#routing.stop(
      this.#keepsRoutes() ? { kind: 'restart', text: FAREWELL } : { kind: 'shutdown', text: FAREWELL },
    );
  }

  /** A cordoned Node is about to be emptied: then nobody comes back soon. */
  #keepsRoutes(): boolean {
    const { stop } = this.#options.settings;
    return stop === 'keep' || (stop === 'auto' && this.#planned?.node.unschedulable === false);
  }

  #ownNode({ nodes }: Snapshot): Node | null {
    const { settings, source } = this.#options;
    const node = nodes.get(objectKey('', settings.nodeName));
    if (node !== undefined) return node;
    return source === 'manifests' ? hostAsNode(settings.nodeName, ownAddresses()) : null;
  }

  #applyRoutes(plan: NodePlan, before: NodePlan): void {
    const { peers, routes } = plan;
    if (isDeepStrictEqual([peers, routes], [before.peers, before.routes])) return;
    const names = new Set(peers.map(({ name }) => name));
    for (const name of this.#sessions.keys()) if (!names.has(name)) this.#sessions.delete(name);
    const watched = new Set(peers.flatMap(({ bfd, address }) => (bfd === null ? [] : [address])));
    for (const address of this.#bfd.keys()) if (!watched.has(address)) this.#bfd.delete(address);
    this.#routing.apply({ peers, routes });
  }

  #onSession(status: SessionStatus): void {
    const { name, address, state, lastError } = status;
    if (this.#planned?.bgp.peers.every((peer) => peer.name !== name) !== false) return;
    const wasUp = this.#sessions.get(name)?.state === 'Established';
    const isUp = state === 'Established';
    this.#sessions.set(name, status);
    const { log } = this.#options;
    if (isUp && !wasUp) log.info('bgp-session-up', `BGP with ${name} is up`, { peer: name, address });
    if (wasUp && !isUp)
      log.warn('bgp-session-down', `BGP with ${name} is down: ${lastError}`, { peer: name });
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
function listenAddresses(listen: ListenAddress | null): { host: string; port: number }[] {
  if (listen === null) return [];
  const { address, port } = listen;
  return (address === '::' ? ['0.0.0.0', '::'] : [address]).map((host) => ({ host, port }));
}

/** Those that others could know this host by, IPv4 first. */
function ownAddresses(): string[] {
  const entries = Object.values(networkInterfaces()).flatMap((list = []) => list);
  const outside = entries.filter(({ internal, scopeid }) => !internal && !scopeid);
  return outside.sort((a, b) => a.family.localeCompare(b.family)).map(({ address }) => address);
}

/** All upstreams and endpoints of one worker, kept in step with the routing table. */
import type { UpstreamKey } from '../../model/keys.ts';
import {
  type BalancePolicy,
  describeService,
  type HashSource,
  type UpstreamProtocol,
} from '../../model/routing-table.ts';
import type { UpstreamPatch } from '../../model/table-patch.ts';
import type { UpstreamTlsId, UpstreamTlsPatch } from '../../model/upstream-tls.ts';
import type { TimerWheel } from '../timers.ts';
import { type OnUnusable, OutgoingSettings, OutgoingTls } from '../tls/outgoing.ts';
import { ConsistentHash } from './balance/consistent-hash.ts';
import type { Balancer } from './balance/policy.ts';
import { RoundRobin } from './balance/round-robin.ts';
import { Ewma, LeastRequest } from './balance/two-choices.ts';
import { Endpoint } from './endpoint.ts';

/** With fewer than this share of endpoints in service, ejection is more likely wrong than right: use all. */
const PANIC_SHARE = 0.5;

/** One upstream: which endpoints it has and how one of them is chosen. */
export class LiveUpstream {
  readonly key: UpstreamKey;
  /** `namespace/name:port`, for logs and metrics. */
  readonly service: string;
  policy: BalancePolicy;
  /** What a request is hashed by, when the balancer wants that. */
  hashBy: HashSource | null;
  /** Requests of this upstream in flight, without tunnels, and those of them that are tried again. */
  active = 0;
  retrying = 0;
  /** Requests of this upstream that wait for a connection. */
  pending = 0;
  #members: Endpoint[] = [];
  /** Those that may be chosen: members in service, or all of them in a panic. */
  #candidates: readonly Endpoint[] = [];
  /** The one candidate, when there is just one: the rule in large clusters, and nothing to balance. */
  #only: Endpoint | null = null;
  #balancer: Balancer;

  constructor(upstream: UpstreamPatch) {
    this.key = upstream.key;
    this.service = describeService(upstream.service);
    this.policy = upstream.balance;
    this.hashBy = hashSource(upstream.balance);
    this.#balancer = balancerFor(upstream.balance);
  }

  /** An endpoint for a request; null when there is none. */
  pick(hash: number): Endpoint | null {
    if (this.#only !== null) return this.#only;
    return this.#candidates.length === 0 ? null : this.#balancer.pick(hash);
  }

  /** An endpoint that is not among `tried`; null when there is no other. */
  pickOther(tried: readonly Endpoint[]): Endpoint | null {
    const others = this.#candidates.filter((one) => !tried.includes(one));
    const rest = others.length > 0 ? others : this.#members.filter((one) => !tried.includes(one));
    return rest.length === 0 ? null : rest[Math.floor(Math.random() * rest.length)]!;
  }

  /** An endpoint that can take a request at once when the chosen one cannot; null when all are full. */
  pickFree(connections: number): Endpoint | null {
    const candidates = this.#candidates;
    const { length } = candidates;
    // Begins anywhere: else all that others cannot take would go to the first.
    const start = Math.floor(Math.random() * length);
    for (let i = 0; i < length; i++) {
      const one = candidates[(start + i) % length]!; // the remainder is in range
      if (one.hasRoom(connections)) return one;
    }
    return null;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Returns the members it had before. */
  setMembers(members: Endpoint[], policy: BalancePolicy): readonly Endpoint[] {
    const before = this.#members;
    for (const one of before) one.users.delete(this);
    for (const one of members) one.users.add(this);
    this.#members = members;
    if (JSON.stringify(policy) !== JSON.stringify(this.policy)) {
      this.policy = policy;
      this.hashBy = hashSource(policy);
      this.#balancer = balancerFor(policy);
    }
    this.refresh();
    return before;
  }

  /** A member came into or went out of service. */
  refresh(): void {
    const serving = this.#members.filter((one) => !one.ejected);
    this.#candidates = serving.length < this.#members.length * PANIC_SHARE ? this.#members : serving;
    this.#only = this.#candidates.length === 1 ? this.#candidates[0]! : null;
    this.#balancer.update(this.#candidates);
  }
}

function hashSource(policy: BalancePolicy): HashSource | null {
  return policy.kind === 'hash' ? policy.by : null;
}

function balancerFor(policy: BalancePolicy): Balancer {
  switch (policy.kind) {
    case 'round-robin':
      return new RoundRobin();
    case 'least-request':
      return new LeastRequest();
    case 'ewma':
      return new Ewma();
    case 'hash':
      return new ConsistentHash();
    default:
      return policy satisfies never;
  }
}

export class Upstreams {
  readonly #upstreams = new Map<UpstreamKey, LiveUpstream>();
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #onUnusable: OnUnusable;
  readonly #maybeGone = new Set<Endpoint>();
  /** With how many endpoints use them. */
  readonly #tls = new Map<UpstreamTlsId, { readonly settings: OutgoingSettings; endpoints: number }>();
  readonly #wheel: TimerWheel;

  constructor(wheel: TimerWheel, onUnusable: OnUnusable = () => {}) {
    this.#wheel = wheel;
    this.#onUnusable = onUnusable;
  }

  get(key: UpstreamKey): LiveUpstream | undefined {
    return this.#upstreams.get(key);
  }

  /** Adds an upstream or brings it up to date; connections to endpoints that stay are kept. */
  set(upstream: UpstreamPatch): void {
    let live = this.#upstreams.get(upstream.key);
    if (live === undefined) {
      live = new LiveUpstream(upstream);
      this.#upstreams.set(upstream.key, live);
    }
    const { protocol, tls } = upstream;
    const members = upstream.endpoints.map(({ address, port }) =>
      this.#endpoint(address, port, protocol, tls),
    );
    this.#noteGone(live.setMembers(members, upstream.balance));
  }

  remove(key: UpstreamKey): void {
    const live = this.#upstreams.get(key);
    if (live === undefined) return;
    this.#upstreams.delete(key);
    this.#noteGone(live.setMembers([], live.policy));
  }

  /** Current connections to endpoints: all, and those that idle; and how many endpoints are out of service. */
  connections(): { open: number; idle: number; ejected: number } {
    let open = 0;
    let idle = 0;
    let ejected = 0;
    for (const endpoint of this.#endpoints.values()) {
      open += endpoint.open;
      if (endpoint.ejected) ejected++;
      for (const connection of endpoint.ready) if (!connection.busy) idle++;
    }
    return { open, idle, ejected };
  }

  #endpoint(
    address: string,
    port: number,
    protocol: UpstreamProtocol,
    tls: UpstreamTlsPatch | null,
  ): Endpoint {
    const id = endpointId(address, port, protocol, tls);
    let endpoint = this.#endpoints.get(id);
    if (endpoint === undefined) {
      const outgoing = tls === null ? null : new OutgoingTls(this.#settings(tls), protocol);
      endpoint = new Endpoint(address, port, protocol, outgoing, this.#wheel);
      this.#endpoints.set(id, endpoint);
    }
    return endpoint;
  }

  #settings(tls: UpstreamTlsPatch): OutgoingSettings {
    const shared = this.#tls.get(tls.id) ?? {
      settings: new OutgoingSettings(tls, this.#onUnusable),
      endpoints: 0,
    };
    shared.endpoints++;
    this.#tls.set(tls.id, shared);
    return shared.settings;
  }

  #releaseSettings(id: UpstreamTlsId): void {
    const shared = this.#tls.get(id);
    if (shared !== undefined && --shared.endpoints === 0) this.#tls.delete(id);
  }

  /** Drains endpoints that no upstream names any more. Called once all changes of a table swap are made. */
  sweep(): void {
    for (const endpoint of this.#maybeGone) {
      if (endpoint.users.size > 0) continue;
      const { address, port, protocol, tls } = endpoint;
      this.#endpoints.delete(endpointId(address, port, protocol, tls?.settings ?? null));
      if (tls !== null) this.#releaseSettings(tls.settings.id);
      endpoint.drain();
    }
    this.#maybeGone.clear();
  }

  #noteGone(before: readonly Endpoint[]): void {
    for (const endpoint of before) if (endpoint.users.size === 0) this.#maybeGone.add(endpoint);
  }
}

/** Connections are shared by all who speak in the same way to the same address, and by nobody else. */
function endpointId(
  address: string,
  port: number,
  protocol: UpstreamProtocol,
  tls: UpstreamTlsPatch | null,
): string {
  return `${address} ${port} ${protocol} ${tls?.id ?? ''}`;
}

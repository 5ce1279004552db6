/**
 * One peer: its state machine, its sockets and timers, and what it is told. The caller says what the peer should
 * know (`set`), and whether BFD still sees it; connecting, retrying and catching up happen by themselves.
 */
import type { Socket } from 'node:net';
import { splitScope } from '../address.ts';
import { PEER_RESTARTED, PeerFsm } from './fsm.ts';
import type { FsmAction, FsmEvent, FsmState, Side, StopReason } from './fsm-types.ts';
import type { Message } from './message.ts';
import { MessageReader } from './message-reader.ts';
import { encodeMessage } from './messages.ts';
import type { Negotiated } from './negotiate.ts';
import type { PeerConfig } from './peer.ts';
import { RibOut, type Route } from './rib-out.ts';
import { dial, nextHops, setHops } from './tcp.ts';

/** For the last words of a connection; a peer that does not take them is cut off. */
const FAREWELL_MS = 1000;
/** setTimeout cannot wait longer. */
const LONGEST_TIMER_MS = 2_000_000_000;

export interface SessionEvents {
  /** The state or a reason changed. */
  onChange(status: SessionStatus): void;
}

export interface SessionStatus {
  readonly name: string;
  readonly address: string;
  readonly state: FsmState;
  /** Milliseconds since the epoch; when the session came up, or went down last. */
  readonly since: number;
  /** Why it is not up, or was not last; '' when nothing has gone wrong yet. */
  readonly lastError: string;
  readonly negotiated: Negotiated | null;
  /** Prefixes that the peer has, and wanted ones that cannot be sent to it. */
  readonly announced: number;
  readonly unsendable: number;
  readonly counters: SessionCounters;
}

export interface SessionCounters {
  readonly established: number;
  readonly dropped: number;
  readonly updatesSent: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly updatesReceived: number;
  /** Prefixes in the UPDATEs that the peer sent; we use none of them. */
  readonly prefixesReceived: number;
}

interface Connection {
  readonly socket: Socket;
  readonly reader: MessageReader;
  blocked: boolean;
}

export class Session {
  #config: PeerConfig;
  readonly #events: SessionEvents;
  readonly #fsm: PeerFsm;
  readonly #rib = new RibOut();
  readonly #connections: Record<Side, Connection | null> = { out: null, in: null };
  /** Connections whose last words are on the way. */
  readonly #leaving = new Set<Socket>();
  #timer: NodeJS.Timeout | null = null;
  #upOn: Side | null = null;
  #negotiated: Negotiated | null = null;
  #since = Date.now();
  #lastError = '';
  #reported: FsmState = 'Idle';
  readonly #counters = {
    established: 0,
    dropped: 0,
    updatesSent: 0,
    messagesSent: 0,
    messagesReceived: 0,
    updatesReceived: 0,
    prefixesReceived: 0,
  };

  constructor(config: PeerConfig, events: SessionEvents) {
    this.#config = config;
    this.#events = events;
    this.#fsm = new PeerFsm(config, Math.random);
  }

  get config(): PeerConfig {
    return this.#config;
  }

  /** BFD comes and goes without the session noticing. */
  setBfd(bfd: PeerConfig['bfd']): void {
    this.#config = { ...this.#config, bfd };
  }

  start(): void {
    this.#handle({ type: 'start' });
  }

  /** All routes that the peer should have. */
  set(routes: readonly Route[]): void {
    this.#rib.set(routes);
    this.#pump();
  }

  /** BFD lost the peer (RFC 5882 section 4). */
  bfdDown(): void {
    this.#handle({ type: 'bfd-down' });
  }

  get status(): SessionStatus {
    return {
      name: this.config.name,
      address: this.config.address,
      state: this.#fsm.state,
      since: this.#since,
      lastError: this.#lastError,
      negotiated: this.#negotiated,
      announced: this.#rib.announced,
      unsendable: this.#rib.unsendable,
      counters: { ...this.#counters },
    };
  }

  get acceptsInbound(): boolean {
    return this.#fsm.acceptsInbound;
  }

  /** Takes a connection that the peer opened; only when {@link acceptsInbound}. */
  accept(socket: Socket): void {
    const family = splitScope(this.config.address)?.ip.family ?? 4;
    const failure = this.config.ttlSecurity ? setHops(descriptorOf(socket), this.config, family) : null;
    if (failure !== null) {
      socket.destroy();
      return;
    }
    const before = this.#connections.in;
    if (before !== null) {
      this.#connections.in = null;
      before.socket.destroy();
      this.#handle({ type: 'disconnected', side: 'in', reason: PEER_RESTARTED });
    }
    this.#attach('in', socket);
    this.#handle({ type: 'connected', side: 'in' });
  }

  /**
   * Ends the session for good: withdraws everything first unless it is to be `silent`. Resolves when the last bytes
   * are gone, or after a second for a peer that does not take them.
   */
  async stop(how: StopReason): Promise<void> {
    if (how.kind === 'cease' && this.#upOn !== null) {
      this.set([]);
      await drained(this.#connections[this.#upOn]?.socket);
    }
    this.#handle({ type: 'stop', how });
    if (this.#timer !== null) clearTimeout(this.#timer);
    await Promise.all([...this.#leaving].map(closed));
  }

  #handle(event: FsmEvent): void {
    for (const action of this.#fsm.handle(event, performance.now())) this.#perform(action);
    this.#pump();
    this.#arm();
    if (this.#fsm.state !== this.#reported) this.#report();
  }

  #report(): void {
    this.#reported = this.#fsm.state;
    this.#events.onChange(this.status);
  }

  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const { deadline } = this.#fsm;
    if (deadline === Number.POSITIVE_INFINITY) {
      this.#timer = null;
      return;
    }
    const wait = Math.min(Math.max(0, deadline - performance.now()), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.#handle({ type: 'tick' }), Math.ceil(wait));
  }

  #perform(action: FsmAction): void {
    switch (action.type) {
      case 'dial':
        return this.#dial();
      case 'send':
        return this.#send(action.side, action.message);
      case 'hang-up':
        return this.#hangUp(action.side);
      case 'agreed': {
        const connection = this.#connections[action.side];
        if (connection !== null) connection.reader.fourOctetAs = action.negotiated.fourOctetAs;
        return;
      }
      case 'up':
        return this.#up(action.side, action.negotiated);
      case 'down':
        this.#upOn = null;
        this.#negotiated = null;
        this.#rib.close();
        this.#since = Date.now();
        this.#lastError = action.reason;
        this.#counters.dropped++;
        return this.#report();
      case 'failed':
        this.#lastError = action.reason;
        return;
      case 'update':
        this.#counters.updatesReceived++;
        this.#counters.prefixesReceived +=
          action.update.announced.length + (action.update.reachable?.prefixes.length ?? 0);
        return;
      case 'refresh':
        return this.#rib.refresh(action.family);
      default:
        return action satisfies never;
    }
  }

  #up(side: Side, negotiated: Negotiated): void {
    const { config } = this;
    this.#upOn = side;
    this.#negotiated = negotiated;
    this.#since = Date.now();
    this.#counters.established++;
    const localAddress = this.#connections[side]?.socket.localAddress ?? '';
    this.#rib.open({
      ...nextHops(config, localAddress, negotiated.extendedNextHop),
      families: negotiated.families,
      fourOctetAs: negotiated.fourOctetAs,
      internal: negotiated.internal,
      localAs: config.localAs,
    });
  }

  #dial(): void {
    const socket = dial(this.config);
    if (socket instanceof Error) {
      const reason = socket.message;
      // Not within the action list of another event.
      setImmediate(() => this.#handle({ type: 'disconnected', side: 'out', reason }));
      return;
    }
    this.#attach('out', socket);
    socket.once('connect', () => {
      if (this.#connections.out?.socket === socket) this.#handle({ type: 'connected', side: 'out' });
    });
  }

  #attach(side: Side, socket: Socket): void {
    const connection: Connection = { socket, reader: new MessageReader(), blocked: false };
    this.#connections[side] = connection;
    const current = () => this.#connections[side] === connection;
    let reason = 'the peer closed the connection';
    socket.setNoDelay(true);
    socket.on('data', (bytes) => {
      if (current()) this.#read(side, connection, bytes as Buffer); // no encoding is set
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reason = describeSocketError(error, side);
    });
    socket.on('drain', () => {
      if (!current()) return;
      connection.blocked = false;
      this.#handle({ type: 'drained', side });
    });
    socket.on('close', () => {
      if (!current()) return;
      this.#connections[side] = null;
      this.#handle({ type: 'disconnected', side, reason });
    });
  }

  #read(side: Side, connection: Connection, bytes: Buffer): void {
    connection.reader.feed(bytes, (message) => {
      this.#counters.messagesReceived++;
      this.#handle({ type: 'received', side, message });
      return this.#connections[side] === connection;
    });
  }

  #send(side: Side, message: Message): void {
    const connection = this.#connections[side];
    if (connection === null) return;
    const fourOctetAs = this.#negotiated?.fourOctetAs ?? true;
    this.#counters.messagesSent++;
    connection.socket.write(encodeMessage(message, fourOctetAs));
  }

  /** Sends updates until the peer has what it should have, or the socket is full. */
  #pump(): void {
    const connection = this.#upOn === null ? null : this.#connections[this.#upOn];
    if (connection === null || this.#rib.settled) return;
    connection.socket.cork();
    while (!connection.blocked) {
      const update = this.#rib.next();
      if (update === null) break;
      this.#counters.updatesSent++;
      this.#send(this.#upOn!, update);
      connection.blocked = connection.socket.writableNeedDrain;
    }
    connection.socket.uncork();
    const side = this.#upOn!;
    if (connection.blocked) this.#fsm.handle({ type: 'blocked', side }, performance.now());
    else if (this.#rib.settled) this.#fsm.handle({ type: 'announced-all' }, performance.now());
  }

  #hangUp(side: Side): void {
    const connection = this.#connections[side];
    this.#connections[side] = null;
    if (connection === null) return;
    const { socket } = connection;
    if (socket.connecting) {
      socket.destroy();
      return;
    }
    this.#leaving.add(socket);
    const cutOff = setTimeout(() => socket.destroy(), FAREWELL_MS);
    socket.once('close', () => {
      clearTimeout(cutOff);
      this.#leaving.delete(socket);
    });
    // What still arrives is of no interest, but unread bytes would turn the end into a reset, which can overtake
    // the NOTIFICATION.
    socket.resume();
    socket.end();
  }
}

export function descriptorOf(socket: unknown): number {
  return (socket as { _handle?: { fd?: number } })._handle?.fd ?? -1;
}

function describeSocketError(error: NodeJS.ErrnoException, side: Side): string {
  const what = side === 'out' ? 'connecting' : 'the connection';
  return `${what} failed: ${error.code ?? error.message}`;
}

/** All that was written has left this process, or a second has passed. */
function drained(socket: Socket | undefined): Promise<void> {
  if (socket === undefined || socket.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FAREWELL_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    socket.once('drain', done);
    socket.once('close', done);
    // Without backpressure there is no `drain`; an empty write tells when those before it are done.
    socket.write('', done);
  });
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });

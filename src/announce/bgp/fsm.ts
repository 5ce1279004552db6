/**
 * The state machine of one peer (RFC 4271 section 8) without sockets and clock: events and the time go in, actions
 * come out. The RFC describes one machine per connection and a rule for the case that there are two; here one
 * machine has both connections, so the rule is a line of code.
 *
 * Times are milliseconds of any clock that never goes back.
 */
import type { FsmAction, FsmConfig, FsmEvent, FsmState, Side, StopReason } from './fsm-types.ts';
import { KEEPALIVE, type Message, type Open } from './message.ts';
import { type Negotiated, negotiate, ourOpen } from './negotiate.ts';
import {
  CeaseReason,
  cease,
  describeNotification,
  FSM_ERROR,
  HOLD_TIMER_EXPIRED,
  type Notification,
  notification,
  SEND_HOLD_TIMER_EXPIRED,
} from './notification.ts';

/**
 * How long a connection may take to its first KEEPALIVE. RFC 4271 suggests four minutes; a peer that accepts but
 * does not answer would keep a failover waiting that long.
 */
const OPEN_WAIT_MS = 30_000;
/** A SYN that is not answered; the system would go on for two minutes. */
const DIAL_MS = 5_000;
const FIRST_BACK_OFF_MS = 1_000;
const LONGEST_BACK_OFF_MS = 60_000;
/** A session that lived this long was no part of a flapping one. */
const STABLE_MS = 30_000;
/** A second connection sooner than this is that of two who dialled at the same time; a restart takes longer. */
const NO_RESTART_MS = 5_000;
/** RFC 9687 section 5. */
const SEND_HOLD_MS = 480_000;
const NEVER = Number.POSITIVE_INFINITY;

interface Connection {
  readonly side: Side;
  phase: 'OpenSent' | 'OpenConfirm' | 'Established';
  negotiated: Negotiated | null;
  holdAt: number;
  keepaliveAt: number;
  sendHoldAt: number;
  upSince: number;
}

/** Why a connection ends in whose place the peer opened another. */
export const PEER_RESTARTED = 'the peer opened another connection: it has restarted';

export class PeerFsm {
  readonly #config: FsmConfig;
  readonly #random: () => number;
  #running = false;
  /** The R bit: until our first complete announcement. */
  #restarting = true;
  /** When to dial next. */
  #dialAt = NEVER;
  /** When an attempt under way is given up; null when there is none. */
  #dialUntil: number | null = null;
  /** Consecutive ends that were not the network's fault. */
  #failures = 0;
  readonly #connections: Record<Side, Connection | null> = { out: null, in: null };
  #actions: FsmAction[] = [];
  #now = 0;

  /** `random` gives 0 ≤ x < 1, for jitter (RFC 4271 section 10). */
  constructor(config: FsmConfig, random: () => number) {
    this.#config = config;
    this.#random = random;
  }

  /** The furthest of what its connections have come to. */
  get state(): FsmState {
    const { out } = this.#connections;
    const inbound = this.#connections.in;
    for (const phase of ['Established', 'OpenConfirm', 'OpenSent'] as const)
      if (out?.phase === phase || inbound?.phase === phase) return phase;
    if (this.#dialUntil !== null) return 'Connect';
    return this.#running ? 'Active' : 'Idle';
  }

  /**
   * Whether a connection of the peer would be used; others should be closed without a word. Before one takes the place
   * of another, that one is to be reported as `disconnected`.
   */
  get acceptsInbound(): boolean {
    const inbound = this.#connections.in;
    return this.#running && (inbound === null || this.#mayBeLeftover(inbound));
  }

  /** When a `tick` is due; Infinity when none is. */
  get deadline(): number {
    let deadline = this.#mayDial() ? this.#dialAt : NEVER;
    if (this.#dialUntil !== null) deadline = Math.min(deadline, this.#dialUntil);
    for (const connection of this.#all())
      deadline = Math.min(deadline, connection.holdAt, connection.keepaliveAt, connection.sendHoldAt);
    return deadline;
  }

  /** What to do, in this order. */
  handle(event: FsmEvent, now: number): readonly FsmAction[] {
    this.#now = now;
    this.#actions = [];
    this.#on(event);
    return this.#actions;
  }

  #on(event: FsmEvent): void {
    switch (event.type) {
      case 'start':
        if (!this.#running && !this.#config.passive) this.#dialAt = this.#now;
        this.#running = true;
        return this.#tick();
      case 'stop':
        return this.#stop(event.how);
      case 'connected':
        return this.#onConnected(event.side);
      case 'disconnected':
        return this.#onDisconnected(event.side, event.reason);
      case 'received': {
        const connection = this.#connections[event.side];
        if (connection === null) return;
        if (event.message.type === 'malformed')
          return this.#end(connection, event.message.answer, describeNotification(event.message.answer));
        return this.#onMessage(connection, event.message);
      }
      case 'blocked':
        return this.#setSendHold(event.side, true);
      case 'drained':
        return this.#setSendHold(event.side, false);
      case 'announced-all':
        this.#restarting = false;
        return;
      case 'bfd-down':
        for (const connection of this.#all())
          if (connection.phase === 'Established')
            this.#end(connection, cease(CeaseReason.bfdDown), 'BFD says that the peer is gone');
        return;
      case 'tick':
        return this.#tick();
      default:
        return event satisfies never;
    }
  }

  #stop(how: StopReason): void {
    this.#running = false;
    this.#dialAt = NEVER;
    const wasUp = this.state === 'Established';
    for (const { side } of this.#all()) {
      if (how.kind === 'cease') this.#send(side, cease(how.subcode, how.text));
      this.#hangUp(side);
    }
    if (this.#dialUntil !== null) this.#hangUp('out');
    if (wasUp) this.#actions.push({ type: 'down', reason: 'stopped' });
  }

  #onConnected(side: Side): void {
    if (side === 'out') this.#dialUntil = null;
    if (!this.#running || this.#connections[side] !== null) return this.#hangUp(side);
    this.#connections[side] = {
      side,
      phase: 'OpenSent',
      negotiated: null,
      holdAt: this.#now + OPEN_WAIT_MS,
      keepaliveAt: NEVER,
      sendHoldAt: NEVER,
      upSince: 0,
    };
    this.#send(side, ourOpen(this.#config, this.#restarting));
  }

  #onDisconnected(side: Side, reason: string): void {
    const connection = this.#connections[side];
    if (connection !== null) return this.#end(connection, null, reason);
    if (side === 'in' || this.#dialUntil === null) return;
    this.#dialUntil = null;
    this.#actions.push({ type: 'failed', reason });
    this.#dialAt = this.#now + this.#jitter(this.#config.connectSeconds * 1000);
  }

  #onMessage(connection: Connection, message: Message): void {
    if (message.type === 'notification')
      return this.#end(connection, null, `the peer says: ${describeNotification(message)}`);
    switch (connection.phase) {
      case 'OpenSent':
        return message.type === 'open'
          ? this.#onOpen(connection, message)
          : this.#unexpected(connection, message, 1);
      case 'OpenConfirm':
        return message.type === 'keepalive'
          ? this.#establish(connection)
          : this.#unexpected(connection, message, 2);
      default:
        if (message.type === 'open') return this.#unexpected(connection, message, 3);
        if (message.type === 'update') this.#actions.push({ type: 'update', update: message });
        else if (message.type === 'route-refresh' && message.family !== null)
          this.#actions.push({ type: 'refresh', family: message.family });
        connection.holdAt = this.#holdDeadline(connection);
    }
  }

  #unexpected(connection: Connection, message: Message, subcode: number): void {
    this.#end(
      connection,
      notification(FSM_ERROR, subcode),
      `unexpected ${message.type} in ${connection.phase}`,
    );
  }

  #onOpen(connection: Connection, open: Open): void {
    const agreed = negotiate(this.#config, open);
    if ('type' in agreed) return this.#end(connection, agreed, `refused: ${describeOpen(open, agreed)}`);
    connection.negotiated = agreed;
    if (!this.#winsCollision(connection, agreed)) return;
    connection.phase = 'OpenConfirm';
    this.#actions.push({ type: 'agreed', side: connection.side, negotiated: agreed });
    this.#send(connection.side, KEEPALIVE);
    connection.holdAt = this.#holdDeadline(connection);
    connection.keepaliveAt = this.#keepaliveDeadline(connection);
  }

  /**
   * RFC 4271 section 6.8: of two connections the one is kept that was opened by the side with the larger
   * identifier; with equal ones (RFC 6286 section 2.3) that of the larger AS. An established one stays.
   */
  #winsCollision(connection: Connection, agreed: Negotiated): boolean {
    const other = this.#connections[connection.side === 'out' ? 'in' : 'out'];
    if (other === null || other.phase === 'OpenSent') return true;
    const { routerId, localAs } = this.#config;
    const oursIsLarger =
      routerId === agreed.peerRouterId ? localAs > agreed.peerAs : routerId > agreed.peerRouterId;
    if (agreed.gracefulRestart && this.#mayBeLeftover(other)) {
      this.#end(other, null, PEER_RESTARTED);
      return true;
    }
    const loser =
      other.phase === 'Established' || other.side === (oursIsLarger ? 'out' : 'in') ? connection : other;
    this.#send(loser.side, cease(CeaseReason.connectionCollision));
    this.#hangUp(loser.side);
    return loser !== connection;
  }

  /**
   * Whether another connection of the peer would mean that it has restarted and knows nothing of this one any more,
   * which the network has not told us yet (RFC 4724 section 5).
   */
  #mayBeLeftover({ phase, negotiated, upSince }: Connection): boolean {
    const old = this.#now - upSince >= NO_RESTART_MS;
    return phase === 'Established' && negotiated?.gracefulRestart === true && old;
  }

  #establish(connection: Connection): void {
    connection.phase = 'Established';
    connection.upSince = this.#now;
    connection.holdAt = this.#holdDeadline(connection);
    const other: Side = connection.side === 'out' ? 'in' : 'out';
    if (this.#connections[other] !== null) {
      this.#send(other, cease(CeaseReason.connectionCollision));
      this.#hangUp(other);
    } else if (this.#dialUntil !== null) this.#hangUp('out');
    this.#actions.push({ type: 'up', side: connection.side, negotiated: connection.negotiated! });
  }

  /** Ends a connection, with a last message when there is one to send, and arranges for the next. */
  #end(connection: Connection, last: Notification | null, reason: string): void {
    if (last !== null) this.#send(connection.side, last);
    const wasUp = connection.phase === 'Established';
    this.#hangUp(connection.side);
    if (wasUp && this.#now - connection.upSince >= STABLE_MS) this.#failures = 0;
    this.#failures++;
    this.#actions.push({ type: wasUp ? 'down' : 'failed', reason });
    if (!this.#running || this.#config.passive) return;
    const backOff = Math.min(FIRST_BACK_OFF_MS * 2 ** (this.#failures - 1), LONGEST_BACK_OFF_MS);
    this.#dialAt = this.#now + this.#jitter(backOff);
  }

  #hangUp(side: Side): void {
    this.#connections[side] = null;
    if (side === 'out') this.#dialUntil = null;
    this.#actions.push({ type: 'hang-up', side });
  }

  #send(side: Side, message: Message): void {
    this.#actions.push({ type: 'send', side, message });
  }

  #setSendHold(side: Side, blocked: boolean): void {
    const connection = this.#connections[side];
    if (connection === null) return;
    const holdTime = connection.negotiated?.holdTime ?? 0;
    if (!blocked) connection.sendHoldAt = NEVER;
    else if (connection.sendHoldAt === NEVER && holdTime > 0)
      connection.sendHoldAt = this.#now + Math.max(SEND_HOLD_MS, 2000 * holdTime);
  }

  #tick(): void {
    for (const connection of this.#all()) this.#tickConnection(connection);
    if (this.#dialUntil !== null && this.#dialUntil <= this.#now) {
      this.#hangUp('out');
      this.#actions.push({ type: 'failed', reason: 'no answer to connecting' });
      this.#dialAt = this.#now + this.#jitter(this.#config.connectSeconds * 1000);
    }
    if (!this.#mayDial() || this.#dialAt > this.#now) return;
    this.#dialAt = NEVER;
    this.#dialUntil = this.#now + DIAL_MS;
    this.#actions.push({ type: 'dial' });
  }

  #tickConnection(connection: Connection): void {
    if (connection.holdAt <= this.#now)
      return this.#end(
        connection,
        notification(HOLD_TIMER_EXPIRED, 0),
        connection.phase === 'Established'
          ? `heard nothing for the hold time of ${connection.negotiated!.holdTime} s`
          : `no answer in ${connection.phase}`,
      );
    if (connection.sendHoldAt <= this.#now)
      return this.#end(
        connection,
        notification(SEND_HOLD_TIMER_EXPIRED, 0),
        'the peer stopped reading what we send',
      );
    if (connection.keepaliveAt > this.#now) return;
    this.#send(connection.side, KEEPALIVE);
    connection.keepaliveAt = this.#keepaliveDeadline(connection);
  }

  /** One connection that has come as far as an OPEN is enough. */
  #mayDial(): boolean {
    return (
      this.#running &&
      this.#dialUntil === null &&
      this.#connections.out === null &&
      this.#connections.in === null
    );
  }

  *#all(): Iterable<Connection> {
    const { out } = this.#connections;
    if (out !== null) yield out;
    const inbound = this.#connections.in;
    if (inbound !== null) yield inbound;
  }

  #holdDeadline({ negotiated }: Connection): number {
    const seconds = negotiated?.holdTime ?? 0;
    return seconds === 0 ? NEVER : this.#now + seconds * 1000;
  }

  #keepaliveDeadline({ negotiated }: Connection): number {
    if (negotiated === null || negotiated.holdTime === 0) return NEVER;
    return this.#now + this.#jitter(negotiated.keepaliveSeconds * 1000);
  }

  /** RFC 4271 section 10: between 0.75 and 1 times the value. */
  #jitter(ms: number): number {
    return ms * (0.75 + this.#random() / 4);
  }
}

function describeOpen(open: Open, answer: Notification): string {
  return `${describeNotification(answer)}; the peer's AS is ${open.as}, its hold time ${open.holdTime} s`;
}

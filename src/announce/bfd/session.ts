/**
 * One BFD session in asynchronous mode (RFC 5880 section 6.8) without sockets and clock: packets and the time go
 * in, packets and changes of state come out. Times are milliseconds of any clock that never goes back.
 *
 * Left out: demand mode (a peer's wish for it may be ignored, section 6.6) and echo, which needs the peer's kernel
 * to loop packets back and finds the same losses no sooner at the intervals that user space can hold.
 */
import { type BfdPacket, type BfdState, Diagnostic } from './packet.ts';

export interface BfdSessionConfig {
  /** Milliseconds. */
  readonly transmitMs: number;
  readonly receiveMs: number;
  /** Packets in a row that may be lost, 1..255. */
  readonly multiplier: number;
  /** Says nothing before the peer does. */
  readonly passive: boolean;
  /** Ours, not 0, different for every session of this host. */
  readonly discriminator: number;
}

export type BfdCause =
  /** The states of both sides led here, up or not yet up. */
  | 'handshake'
  /** Nothing was heard for the detection time. */
  | 'silence'
  /** The peer hears nothing of us, or has lost the way. */
  | 'peer-down'
  /** The peer's operator took it down: no reason to think that the way is lost (RFC 5882 section 3.2). */
  | 'peer-admin-down'
  /**
   * The peer has thrown its session away and begins another; FRR does so when BGP comes up and tells it the
   * interface. It shows by a new discriminator without a diagnostic, or by the claim that we had said Down
   * (diagnostic 3), which we had not. A peer that misses our packets says so with diagnostic 1.
   */
  | 'peer-restarted';

export type BfdAction =
  | { readonly type: 'send'; readonly packet: BfdPacket }
  | {
      readonly type: 'state';
      readonly from: BfdState;
      readonly to: BfdState;
      readonly cause: BfdCause;
    };

/** While a session is not Up, packets go out at most this often (RFC 5880 section 6.8.3). */
const SLOW_MS = 1000;
/** One microsecond, before the peer was heard (RFC 5880 section 6.8.1). */
const UNKNOWN_MIN_RX = 0.001;
const NEVER = Number.POSITIVE_INFINITY;

export class BfdSession {
  #config: BfdSessionConfig;
  readonly #random: () => number;
  #state: BfdState = 'Down';
  #remoteState: BfdState = 'Down';
  #diagnostic: number = Diagnostic.none;
  /** What the peer calls the session; 0 while we have not heard of it. */
  #remoteDiscriminator = 0;
  /** What the peer told last, in milliseconds. */
  #remoteMinRx = UNKNOWN_MIN_RX;
  #remoteDesiredTx = 0;
  #remoteMultiplier = 0;
  /** In force: changes for the worse wait until the peer has confirmed that it knows (section 6.8.3). */
  #transmitMs = SLOW_MS;
  #receiveMs: number;
  #polling = false;
  #sendAt: number;
  #detectAt = NEVER;
  #actions: BfdAction[] = [];

  /** `random` gives 0 ≤ x < 1, for jitter. */
  constructor(config: BfdSessionConfig, random: () => number, now: number) {
    this.#config = config;
    this.#random = random;
    this.#receiveMs = config.receiveMs;
    this.#sendAt = config.passive ? NEVER : now;
  }

  get state(): BfdState {
    return this.#state;
  }

  get remoteState(): BfdState {
    return this.#remoteState;
  }

  /** Between our packets, without jitter. */
  get transmitMs(): number {
    return Math.max(this.#transmitMs, this.#remoteMinRx);
  }

  /** Silence after which the peer counts as lost; 0 before it was heard. */
  get detectMs(): number {
    return this.#remoteMultiplier * Math.max(this.#receiveMs, this.#remoteDesiredTx);
  }

  /** When a {@link tick} is due; Infinity when none is. */
  get deadline(): number {
    return Math.min(this.#sendAt, this.#detectAt);
  }

  /** New intervals, agreed on with the peer by a poll sequence while the session goes on. */
  configure(config: BfdSessionConfig, now: number): readonly BfdAction[] {
    this.#actions = [];
    this.#config = config;
    this.#announceIntervals();
    if (this.#state === 'Up') this.#sendAt = Math.min(this.#sendAt, now);
    return this.#actions;
  }

  tick(now: number): readonly BfdAction[] {
    this.#actions = [];
    if (this.#detectAt <= now) {
      this.#detectAt = NEVER;
      this.#remoteDiscriminator = 0;
      // What it wanted holds no longer: one that wanted no packets might wait for ours for ever after its restart.
      this.#remoteMinRx = UNKNOWN_MIN_RX;
      if (this.#state !== 'Down') this.#become('Down', Diagnostic.detectionTimeExpired, 'silence');
      this.#remoteState = 'Down';
      if (this.#config.passive) this.#sendAt = NEVER;
      else this.#sendAt = Math.min(this.#sendAt, now);
    }
    if (this.#sendAt <= now) {
      // 0: the peer wants none (section 6.8.7).
      if (this.#remoteMinRx > 0) this.#send(false);
      this.#sendAt = now + this.#jittered(this.transmitMs);
    }
    return this.#actions;
  }

  /** A packet that belongs to this session (sections 6.8.6 and 6.8.7). */
  receive(packet: BfdPacket, now: number): readonly BfdAction[] {
    this.#actions = [];
    const transmitBefore = this.transmitMs;
    const another = this.#remoteDiscriminator !== packet.myDiscriminator;
    this.#remoteDiscriminator = packet.myDiscriminator;
    this.#remoteState = packet.state;
    this.#remoteMinRx = packet.requiredMinRx / 1000;
    this.#remoteDesiredTx = packet.desiredMinTx / 1000;
    this.#remoteMultiplier = packet.multiplier;
    if (packet.final && this.#polling) this.#endPoll();
    this.#move(packet, another);
    this.#detectAt = now + this.detectMs;
    if (packet.poll) this.#send(true);
    // Passive sessions start to speak here; a faster pace begins at once.
    if (this.#sendAt === NEVER || this.transmitMs < transmitBefore)
      this.#sendAt = Math.min(this.#sendAt, now + this.#jittered(this.transmitMs));
    // A change of state is told without waiting for the next packet's time.
    if (this.#actions.some(({ type }) => type === 'state') && !packet.poll) this.#sendAt = now;
    return this.#actions;
  }

  /** The last packet of a session that its operator ends: the peer does not take it for a loss. */
  farewell(): BfdPacket {
    this.#state = 'AdminDown';
    this.#diagnostic = Diagnostic.administrativelyDown;
    return this.#packet(false);
  }

  #move({ state: theirs, diagnostic }: BfdPacket, another: boolean): void {
    switch (this.#state) {
      case 'Down':
        if (theirs === 'Down') this.#become('Init', this.#diagnostic, 'handshake');
        else if (theirs === 'Init') this.#become('Up', Diagnostic.none, 'handshake');
        return;
      case 'Init':
        if (theirs === 'Init' || theirs === 'Up') this.#become('Up', Diagnostic.none, 'handshake');
        else if (theirs === 'AdminDown')
          this.#become('Down', Diagnostic.neighbourSignaledDown, 'peer-admin-down');
        return;
      case 'Up': {
        if (theirs !== 'Down' && theirs !== 'AdminDown') return;
        const restarted =
          diagnostic === Diagnostic.neighbourSignaledDown || (another && diagnostic === Diagnostic.none);
        const cause = theirs === 'AdminDown' ? 'peer-admin-down' : restarted ? 'peer-restarted' : 'peer-down';
        return this.#become('Down', Diagnostic.neighbourSignaledDown, cause);
      }
      case 'AdminDown':
        return;
      default:
        return this.#state satisfies never;
    }
  }

  #become(to: BfdState, diagnostic: number, cause: BfdCause): void {
    const from = this.#state;
    this.#state = to;
    this.#diagnostic = diagnostic;
    this.#actions.push({ type: 'state', from, to, cause });
    if (to === 'Up' || from === 'Up') this.#announceIntervals();
  }

  /** What we want from here on; slower packets or a shorter detection time wait for the end of a poll sequence. */
  #announceIntervals(): void {
    if (this.#state !== 'Up') {
      this.#transmitMs = this.#desiredTx;
      this.#receiveMs = this.#config.receiveMs;
      this.#polling = false;
      return;
    }
    this.#polling = true;
    this.#transmitMs = Math.min(this.#transmitMs, this.#desiredTx);
    this.#receiveMs = Math.max(this.#receiveMs, this.#config.receiveMs);
  }

  #endPoll(): void {
    this.#polling = false;
    this.#transmitMs = this.#desiredTx;
    this.#receiveMs = this.#config.receiveMs;
  }

  get #desiredTx(): number {
    const { transmitMs } = this.#config;
    return this.#state === 'Up' ? transmitMs : Math.max(transmitMs, SLOW_MS);
  }

  #send(final: boolean): void {
    this.#actions.push({ type: 'send', packet: this.#packet(final) });
  }

  #packet(final: boolean): BfdPacket {
    return {
      diagnostic: this.#diagnostic,
      state: this.#state,
      // A packet has one of the two flags at most.
      poll: this.#polling && !final,
      final,
      demand: false,
      multiplier: this.#config.multiplier,
      myDiscriminator: this.#config.discriminator,
      yourDiscriminator: this.#remoteDiscriminator,
      desiredMinTx: this.#desiredTx * 1000,
      requiredMinRx: this.#config.receiveMs * 1000,
      requiredMinEchoRx: 0,
    };
  }

  /** Section 6.8.7: between 75 and 100 % of the interval; at most 90 % where one lost packet is a loss. */
  #jittered(ms: number): number {
    return ms * (0.75 + this.#random() * (this.#config.multiplier === 1 ? 0.15 : 0.25));
  }
}

/**
 * One request from its match to its last byte: routing, choosing an endpoint, sending, retrying, passing the
 * response on, counting. It owns no socket; both sides call it and are called by it. Hot path.
 */

import { ByteQueue } from '../message/byte-queue.ts';
import { USER_AGENT } from '../message/field-names.ts';
import type { RequestHead } from '../message/request-head.ts';
import type { ResponseHead } from '../message/response-head.ts';
import type { Timed } from '../timers.ts';
import type { ByteStream } from '../transport/stream.ts';
import type { Endpoint, Waiter } from '../upstream/endpoint.ts';
import type { LiveUpstream } from '../upstream/upstreams.ts';
import { admit } from './admission.ts';
import type { Dataplane } from './dataplane.ts';
import { attempt, leaveEndpoint, leaveUpstream, takeTurn, waitedTooLong } from './endpoint-choice.ts';
import { forwardedHead, idFor, offeredUpgrade } from './forward-request.ts';
import { grpcAnswer, isGrpc } from './grpc.ts';
import { hashKey } from './hash-key.ts';
import type { LiveRoute } from './live-route.ts';
import { acceptIn, type OwnAnswer, ownAnswer } from './own-answer.ts';
import { believedOrigin, type Peer } from './peer.ts';
import { OVER, RESPONDING, ROUTING, SENT, TUNNEL } from './progress.ts';
import { NO_ROUTE } from './refusal.ts';
import { endRetry, isIdempotent, retry, statusFor } from './retry.ts';
import type { Downstream, UpstreamConnection, UpstreamFailure, UpstreamSide } from './sides.ts';

const NONE_TRIED: readonly Endpoint<UpstreamConnection>[] = [];

export class Exchange implements Waiter, Timed {
  readonly dataplane: Dataplane;
  readonly down: Downstream;
  readonly startedAt: number;
  id = '';
  client = '';
  method = '';
  authority = '';
  target = '';
  pathLength = 0;
  minorVersion = 1;
  /** The client's side is TLS. */
  secure = false;
  /** The client's side is HTTP/2. */
  http2 = false;
  /** The request's head as text: kept to look up what is rarely needed. */
  headText = '';
  userAgent = '';
  route: LiveRoute | null = null;
  /** Where the route leads this request; null while that is not decided. */
  upstream: LiveUpstream | null = null;
  upgrade = '';
  expectContinue = false;
  /** The request's body is framed in chunks, on both sides. */
  chunked = false;

  /** The head that goes upstream, with a whole small body behind it when that came along. */
  text = '';
  requestEnded = false;
  requestTrailers = '';
  /** The body did not come along with the head: sending it again needs {@link held}. */
  bodyStreamed = false;
  idempotent = false;
  /** Body bytes kept because they were not sent yet, or may have to be sent again; null once that is ruled out. */
  held: ByteQueue | null = null;
  bodyPaused = false;
  /** The upstream takes no more for now; the client takes no more for now. */
  upBlocked = false;
  downBlocked = false;

  upstreamSide: UpstreamSide | null = null;
  /** The endpoint that counts this request as in flight. */
  endpoint: Endpoint<UpstreamConnection> | null = null;
  /** The last one tried, for the log. */
  lastEndpoint: Endpoint<UpstreamConnection> | null = null;
  tried: readonly Endpoint<UpstreamConnection>[] = NONE_TRIED;
  attempts = 0;
  /** Counts as a retry of its upstream. */
  retrying = false;
  hash = 0;
  /** The connection in use had served a request before. */
  reused = false;
  state = ROUTING;
  status = 0;
  informational = 0;
  sentAt = 0;
  upstreamMs = -1;
  receivedBytes = 0;
  sentBytes = 0;
  reason = '';

  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(dataplane: Dataplane, down: Downstream) {
    this.dataplane = dataplane;
    this.down = down;
    this.startedAt = performance.now();
    dataplane.active++;
  }

  // ── from the client's side ──────────────────────────────────────────────────────────────────────────────

  /**
   * Begins with a parsed head. `route` and `target` were found by the caller (who can remember them from the
   * request before); `smallBody` is the whole body as latin1 text when it came along, else null.
   */
  start(
    head: RequestHead,
    peer: Peer,
    route: LiveRoute | null,
    target: string,
    smallBody: string | null,
  ): void {
    const { dataplane } = this;
    this.id = idFor(head, peer);
    const origin = peer.trusted ? believedOrigin(head, peer, dataplane.trusted) : null;
    this.client = origin === null ? peer.address : origin.client;
    this.method = head.method;
    this.authority = head.authority;
    this.target = target;
    this.pathLength = head.pathLength;
    this.minorVersion = head.minorVersion;
    this.http2 = head.http2;
    this.secure = peer.scheme === 'https';
    this.headText = head.fields.text;
    this.expectContinue = head.expectContinue;
    this.chunked = head.chunked;
    this.route = route;
    this.requestEnded = smallBody !== null || !head.hasBody();
    if (dataplane.config.accessLog.enabled) this.userAgent = head.fields.first(USER_AGENT);

    const upstream = admit(this, head, peer, target);
    if (upstream === null) return;
    this.upstream = upstream;
    upstream.active++;
    this.idempotent = isIdempotent(head.method);
    this.upgrade = head.upgrade === '' ? '' : offeredUpgrade(head, dataplane.config.upgrades);
    // What is admitted has a route.
    const fallbackHost = route!.host === '' ? 'localhost' : route!.host;
    this.text = forwardedHead(head, target, this.upgrade, this.id, peer, origin, fallbackHost);
    if (smallBody !== null) {
      this.text += smallBody;
      this.receivedBytes = smallBody.length;
    }
    if (!this.requestEnded) {
      this.bodyStreamed = true;
      this.held = new ByteQueue();
    }
    const { hashBy } = upstream;
    if (hashBy !== null) this.hash = hashKey(hashBy, head, this.client, target);
    attempt(this, upstream);
  }

  /** `last`: nothing but the end follows. */
  onRequestBody(bytes: Buffer, start: number, end: number, last: boolean): void {
    const size = end - start;
    this.receivedBytes += size;
    const limit = this.#bodyLimit();
    if (limit > 0 && this.receivedBytes > limit) {
      this.dataplane.stats.counters['limit_hits_total:request_body']++;
      return this.#giveUp(413, 'body-limit');
    }
    if (this.state < SENT) {
      // `held` is there: nothing was sent that could have released it.
      const held = this.held!;
      held.push(bytes, start, end);
      if (held.size >= this.dataplane.config.limits.replayBytes) this.#pauseBody();
      return;
    }
    const { held } = this;
    if (held !== null) {
      if (held.size + size > this.dataplane.config.limits.replayBytes) this.held = null;
      else held.push(bytes, start, end);
    }
    this.upstreamSide?.sendBody(bytes, start, end, last);
  }

  /** Body or tunnel bytes that wait at the client's stream go straight to the backend, at most `most`; returns how many. */
  forwardToBackend(from: ByteStream, most: number): number {
    if (this.state < SENT || this.held !== null || this.upstreamSide === null) return 0;
    const moved = this.upstreamSide.forward(from, most);
    this.receivedBytes += moved;
    return moved;
  }

  onRequestEnd(trailers: string): void {
    this.requestEnded = true;
    this.requestTrailers = trailers;
    if (this.state >= SENT) this.upstreamSide?.sendEnd(trailers);
  }

  /** The client is gone, or sent something that leaves its connection in doubt. */
  onDownstreamClosed(reason: string): void {
    if (this.state === OVER) return;
    if (this.reason === '') this.reason = reason;
    if (this.status === 0) this.status = 499;
    leaveUpstream(this);
    this.#over();
  }

  /** The request's body is not what its framing said, or came too slowly. */
  onRequestBroken(status: number, reason: string): void {
    this.#giveUp(status, reason);
  }

  onDownstreamBlocked(): void {
    this.downBlocked = true;
    if (this.state >= SENT) this.upstreamSide?.pause();
  }

  onDownstreamDrain(): void {
    this.downBlocked = false;
    if (this.state >= SENT) this.upstreamSide?.resume();
  }

  /** Tunnel bytes from the client. */
  onClientBytes(bytes: Buffer, start: number, end: number): void {
    this.receivedBytes += end - start;
    this.upstreamSide?.sendTunnel(bytes, start, end);
  }

  onClientEnd(): void {
    this.upstreamSide?.endTunnel();
  }

  // ── from the upstream's side ────────────────────────────────────────────────────────────────────────────

  onConnected(): void {
    this.send(false);
  }

  onInformational(head: ResponseHead): void {
    if (++this.informational > this.dataplane.config.limits.informationalResponses) {
      this.dataplane.stats.counters['limit_hits_total:informational_responses']++;
      leaveUpstream(this);
      return this.answer(502, 'too-many-informational');
    }
    if (head.status === 100) {
      if (!this.expectContinue) return;
      this.expectContinue = false;
    }
    if (this.minorVersion > 0) this.down.sendInformational(head);
  }

  onResponseHead(head: ResponseHead, hasBody: boolean): void {
    this.state = RESPONDING;
    this.held = null;
    if (this.retrying) endRetry(this);
    this.status = head.status;
    this.#observeUpstream(head.status);
    this.down.sendHead(head, hasBody);
  }

  /** `last`: nothing but the end follows. */
  onResponseBody(bytes: Buffer, start: number, end: number, last = false): void {
    this.sentBytes += end - start;
    this.down.sendBody(bytes, start, end, last);
  }

  /** As {@link forwardToBackend}, the other way. */
  forwardToClient(from: ByteStream, most: number): number {
    const moved = this.down.forward(from, most);
    this.sentBytes += moved;
    return moved;
  }

  /** The upstream's side has already let go of this exchange. */
  onResponseEnd(trailers: string): void {
    this.upstreamSide = null;
    leaveEndpoint(this);
    this.down.sendEnd(trailers);
    this.#over();
  }

  onSwitch(head: ResponseHead): void {
    this.state = TUNNEL;
    this.status = 101;
    this.#observeUpstream(101);
    this.dataplane.stats.counters.upgrades_total++;
    this.dataplane.tunnels++;
    this.upstream!.active--;
    endRetry(this);
    this.down.startTunnel(head);
  }

  /** Tunnel bytes from the backend. */
  onUpstreamBytes(bytes: Buffer, start: number, end: number): void {
    this.sentBytes += end - start;
    this.down.sendTunnel(bytes, start, end);
  }

  onUpstreamEnd(): void {
    this.down.endTunnel();
  }

  /** The tunnel's upstream connection is gone. */
  onTunnelClosed(clean: boolean): void {
    this.upstreamSide = null;
    leaveEndpoint(this);
    if (!clean) {
      this.reason = 'tunnel-broken';
      this.down.cut(0, false);
    }
    this.#over();
  }

  onUpstreamBlocked(): void {
    this.upBlocked = true;
    this.#pauseBody();
  }

  onUpstreamDrain(): void {
    this.upBlocked = false;
    this.#resumeBody();
  }

  /**
   * The attempt failed; the upstream's side has already let go of this exchange. `code` is what the backend reset the
   * stream with, else 0; `blame`: the failure counts against the endpoint.
   */
  onUpstreamFailed(failure: UpstreamFailure, code = 0, blame = true): void {
    const endpoint = this.endpoint!;
    this.upstreamSide = null;
    leaveEndpoint(this);
    const { counters } = this.dataplane.stats;
    if (failure === 'out-of-sockets') counters['limit_hits_total:sockets']++;
    else if (blame && !(failure === 'closed' && this.reused) && endpoint.failed()) {
      counters.upstream_ejections_total++;
    }
    if (this.state === RESPONDING) {
      this.reason = failure;
      this.down.cut(code, false);
      return this.#over();
    }
    if (!retry(this, failure, endpoint)) this.answer(statusFor(failure), failure);
  }

  // ── waiting for a connection ────────────────────────────────────────────────────────────────────────────

  onTurn(): void {
    takeTurn(this);
  }

  onDeadline(): void {
    waitedTooLong(this);
  }

  // ── the middle ──────────────────────────────────────────────────────────────────────────────────────────

  /** Answers with a response of our own. */
  answer(status: number, reason: string): void {
    const { headText, id } = this;
    const answer =
      this.http2 && isGrpc(headText) ? grpcAnswer(status, id) : ownAnswer(status, acceptIn(headText), id);
    this.answerWith(answer, status, reason);
  }

  /** `status` is what the answer means, whatever a protocol inside HTTP makes of it. */
  answerWith(answer: OwnAnswer, status: number, reason: string): void {
    this.status = status;
    if (this.reason === '') this.reason = reason;
    this.state = RESPONDING;
    const { hstsLine } = this.dataplane;
    const own = this.secure && hstsLine !== '' ? { ...answer, fields: answer.fields + hstsLine } : answer;
    if (this.method !== 'HEAD') this.sentBytes = own.body.length;
    this.down.sendOwn(own, this.method === 'HEAD');
    this.#over();
  }

  #bodyLimit(): number {
    return this.route?.policy.maxBodyBytes ?? 0;
  }

  /** The head goes to the upstream's side that was chosen, with what there is of the body. */
  send(reused: boolean): void {
    const side = this.upstreamSide!;
    this.reused = reused;
    this.state = SENT;
    this.sentAt = performance.now();
    this.upBlocked = false;
    const { held } = this;
    side.sendHead(this, this.text, held === null);
    if (held !== null) this.#sendHeld(side, held);
    if (this.downBlocked) side.pause();
  }

  #sendHeld(side: UpstreamSide, held: ByteQueue): void {
    const { count } = held;
    const whole = this.requestEnded && this.requestTrailers === '';
    for (let i = 0; i < count; i++) {
      side.sendBody(held.chunk(i), held.start(i), held.end(i), whole && i === count - 1);
    }
    // Over HTTP/2 the backend may say that it did nothing with the request.
    if (!this.idempotent && this.endpoint?.protocol === 'http1') this.held = null;
    if (this.requestEnded) side.sendEnd(this.requestTrailers);
    else if (!this.upBlocked) this.#resumeBody();
  }

  /** The client gets an error while its request is still on the way; the upstream attempt is dropped. */
  #giveUp(status: number, reason: string): void {
    if (this.state === OVER) return;
    const responding = this.state >= RESPONDING;
    leaveUpstream(this);
    if (!responding) return this.answer(status, reason);
    this.reason = reason;
    this.down.cut(0, true);
    this.#over();
  }

  #observeUpstream(status: number): void {
    const endpoint = this.endpoint!;
    const now = performance.now();
    this.upstreamMs = now - this.sentAt;
    endpoint.observeLatency(this.upstreamMs, now);
    if (status < 502 || status > 504) endpoint.succeeded();
    else if (endpoint.failed()) this.dataplane.stats.counters.upstream_ejections_total++;
  }

  #pauseBody(): void {
    if (this.bodyPaused) return;
    this.bodyPaused = true;
    this.down.pauseBody();
  }

  #resumeBody(): void {
    if (!this.bodyPaused) return;
    this.bodyPaused = false;
    this.down.resumeBody();
  }

  /** The one way out. */
  #over(): void {
    const { dataplane, route, upstream } = this;
    const durationMs = performance.now() - this.startedAt;
    let latencyMs = durationMs;
    if (this.state === TUNNEL) {
      dataplane.tunnels--;
      // A tunnel that lives for an hour is no slow request: what counts is when the switch of protocols was passed on.
      latencyMs = this.sentAt + this.upstreamMs - this.startedAt;
    } else if (upstream !== null) upstream.active--;
    this.state = OVER;
    dataplane.active--;
    if (this.retrying) endRetry(this);
    const series = route === null ? dataplane.refused : route.series;
    series.record(this.status, latencyMs, this.upstreamMs, this.receivedBytes, this.sentBytes);
    if (dataplane.accessLog.wants(this.status)) this.#log(durationMs);
    this.#resumeBody();
    this.down.exchangeDone();
  }

  #log(durationMs: number): void {
    this.dataplane.accessLog.add({
      id: this.id,
      client: this.client,
      method: this.method,
      host: this.authority,
      path: this.pathLength < this.target.length ? this.target.slice(0, this.pathLength) : this.target,
      protocol: this.http2 ? 'HTTP/2.0' : this.minorVersion === 0 ? 'HTTP/1.0' : 'HTTP/1.1',
      status: this.status,
      bytesIn: this.receivedBytes,
      bytesOut: this.sentBytes,
      durationMs,
      upstream: this.lastEndpoint === null ? '' : this.lastEndpoint.key,
      upstreamMs: this.upstreamMs,
      attempts: this.attempts,
      userAgent: this.userAgent,
      reason: this.reason,
      route: this.route === null ? NO_ROUTE : this.route.logFragment,
    });
  }
}

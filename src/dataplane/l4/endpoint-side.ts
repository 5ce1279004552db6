/** A tunnel owns two streams; what the one to the endpoint tells reaches it under other names. */
import type { StreamOwner } from '../transport/stream.ts';

export interface EndpointSideOwner {
  onUpstreamConnect(): void;
  /** The bytes are valid during the call. */
  onUpstreamData(bytes: Buffer, start: number, end: number): void;
  onUpstreamBlocked(): void;
  onUpstreamDrain(): void;
  onUpstreamEnd(): void;
  /** `error` as in StreamOwner.onClose. */
  onUpstreamClose(error: string | null): void;
}

/** Hears what happens to the connection to the endpoint. */
export class EndpointSide implements StreamOwner {
  readonly #owner: EndpointSideOwner;

  constructor(owner: EndpointSideOwner) {
    this.#owner = owner;
  }

  onConnect(): void {
    this.#owner.onUpstreamConnect();
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#owner.onUpstreamData(bytes, start, end);
  }

  onBlocked(): void {
    this.#owner.onUpstreamBlocked();
  }

  onDrain(): void {
    this.#owner.onUpstreamDrain();
  }

  onEnd(): void {
    this.#owner.onUpstreamEnd();
  }

  onClose(error: string | null): void {
    this.#owner.onUpstreamClose(error);
  }
}

/** An attempt that was given up. */
export const NOBODY: StreamOwner = {
  onConnect() {},
  onData() {},
  onBlocked() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

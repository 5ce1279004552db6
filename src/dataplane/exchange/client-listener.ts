/** What all client connections of one listener share, whatever protocol they speak. */
import type { ByteStream } from '../transport/stream.ts';
import type { Dataplane } from './dataplane.ts';

export interface ClientListener {
  readonly dataplane: Dataplane;
  readonly scheme: 'http' | 'https';
  readonly port: number;
  /** Connections put themselves in and out. */
  readonly connections: Set<ClientConnection>;
}

export interface ClientConnection {
  readonly stream: ByteStream;
  /**
   * The connection is to end: what runs may finish, and the client is told to come with the rest over another one.
   * Called when a drain begins, when what the connection was made under has changed, or when it is about to be cut:
   * then at last `now`, which leaves a client that asks nothing no time for one more request.
   */
  drain(now?: boolean): void;
  /** Nothing is lost when it is cut now, or nothing that a moment of waiting would save. */
  readonly idle: boolean;
}

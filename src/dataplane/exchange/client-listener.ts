/** What all client connections of one listener share, whatever protocol they speak. */
import type { Dataplane } from './dataplane.ts';

export interface ClientListener {
  readonly dataplane: Dataplane;
  readonly scheme: 'http' | 'https';
  readonly port: number;
  /** Connections put themselves in and out. */
  readonly connections: Set<ClientConnection>;
}

export interface ClientConnection {
  /** Called when a drain begins. */
  drain(): void;
}

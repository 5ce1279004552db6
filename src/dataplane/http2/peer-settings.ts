/** What a peer's SETTINGS say (RFC 9113 6.5.2). Pure. */
import {
  DEFAULT_WINDOW,
  FLOW_CONTROL_ERROR,
  MAX_PAYLOAD,
  MAX_WINDOW,
  MOST_STREAMS,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_CONNECT_PROTOCOL,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_HEADER_TABLE_SIZE,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  SETTINGS_MAX_FRAME_SIZE,
  SETTINGS_MAX_HEADER_LIST_SIZE,
} from './frames.ts';
import { TABLE_BYTES } from './hpack-table.ts';

/** The settings that matter to one who sends frames of the default size and never pushes. */
export interface PeerSettings {
  initialWindow: number;
  /** The peer's table is smaller than the default: our encoder must say that it follows. */
  smallTable: boolean;
  /** Streams that we may have open; of a server. */
  maxStreams: number;
  /** What the fields of a request may come to; of a server. */
  headerListBytes: number;
  /** Extended CONNECT is understood (RFC 8441 3); of a server. */
  connectProtocol: boolean;
}

export function defaultPeerSettings(): PeerSettings {
  return {
    initialWindow: DEFAULT_WINDOW,
    smallTable: false,
    maxStreams: MOST_STREAMS,
    headerListBytes: MAX_WINDOW,
    connectProtocol: false,
  };
}

/** Reads a payload (a multiple of six bytes) into `settings`. Returns NO_ERROR or the code to end the connection with. */
export function readSettings(bytes: Buffer, start: number, end: number, settings: PeerSettings): number {
  for (let i = start; i < end; i += 6) {
    const value = bytes.readUInt32BE(i + 2);
    switch (bytes.readUInt16BE(i)) {
      case SETTINGS_HEADER_TABLE_SIZE:
        if (value < TABLE_BYTES) settings.smallTable = true;
        break;
      case SETTINGS_ENABLE_PUSH:
        if (value > 1) return PROTOCOL_ERROR;
        break;
      case SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) return FLOW_CONTROL_ERROR;
        settings.initialWindow = value;
        break;
      case SETTINGS_MAX_FRAME_SIZE:
        if (value < MAX_PAYLOAD || value > 0xff_ffff) return PROTOCOL_ERROR;
        break;
      case SETTINGS_MAX_CONCURRENT_STREAMS:
        settings.maxStreams = Math.min(value, MOST_STREAMS);
        break;
      case SETTINGS_MAX_HEADER_LIST_SIZE:
        settings.headerListBytes = value;
        break;
      case SETTINGS_ENABLE_CONNECT_PROTOCOL:
        if (value > 1) return PROTOCOL_ERROR;
        settings.connectProtocol = value === 1;
        break;
      default:
    }
  }
  return NO_ERROR;
}

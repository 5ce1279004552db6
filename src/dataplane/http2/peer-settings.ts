/** What a client's SETTINGS say (RFC 9113 6.5.2). Pure. */
import {
  DEFAULT_WINDOW,
  FLOW_CONTROL_ERROR,
  MAX_PAYLOAD,
  MAX_WINDOW,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_HEADER_TABLE_SIZE,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_FRAME_SIZE,
} from './frames.ts';
import { TABLE_BYTES } from './hpack-table.ts';

/** The settings that matter to a server that sends frames of the default size and never pushes. */
export interface PeerSettings {
  initialWindow: number;
  /** The client's table is smaller than the default: our encoder must say that it follows. */
  smallTable: boolean;
}

export function defaultPeerSettings(): PeerSettings {
  return { initialWindow: DEFAULT_WINDOW, smallTable: false };
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
      default:
    }
  }
  return NO_ERROR;
}

/** What is measured, in the order of the report. */
import { browserGet } from './browser-get.ts';
import { download } from './download.ts';
import { fullLoad } from './full-load.ts';
import { grpcUnary } from './grpc-unary.ts';
import { h2cUpstream } from './h2c-upstream.ts';
import { handshakes } from './handshakes.ts';
import { http2Get } from './http2-get.ts';
import { httpsGet } from './https-get.ts';
import { httpsUpstream } from './https-upstream.ts';
import { idleMemory, idleTlsMemory } from './idle-memory.ts';
import { largeBody } from './large-body.ts';
import { newConnection } from './new-connection.ts';
import { routes } from './routes.ts';
import type { Scenario } from './scenario.ts';
import { smallGet } from './small-get.ts';
import { swap } from './swap.ts';
import { upload } from './upload.ts';
import { variedPaths } from './varied-paths.ts';
import { websocket } from './websocket.ts';

export const SCENARIOS: readonly Scenario[] = [
  smallGet,
  browserGet,
  variedPaths,
  httpsGet,
  http2Get,
  httpsUpstream,
  h2cUpstream,
  grpcUnary,
  handshakes,
  download,
  upload,
  newConnection,
  websocket,
  routes,
  swap,
  fullLoad,
  idleMemory,
  idleTlsMemory,
  largeBody,
];

/** Builds our client and server on grpc-go, the other implementation of gRPC. */
import { type Built, buildGoProgram } from '../kit/go-build.ts';

export function buildGrpcGo(): Built {
  return buildGoProgram({ name: 'grpc-go', folder: import.meta.dirname, package: '.', limitMs: 300_000 });
}

/** Builds h2spec from its Go module, once for each version. */
import { type Built, buildGoProgram } from '../kit/go-build.ts';

export function buildH2spec(): Built {
  return buildGoProgram({
    name: 'h2spec',
    folder: import.meta.dirname,
    package: 'github.com/summerwind/h2spec/cmd/h2spec',
    limitMs: 300_000,
  });
}

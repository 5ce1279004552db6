/** What Helm is built of. */
import type { GoProgram } from '../kit/go-build.ts';

/** Two busy cores need two to three minutes the first time. */
const BUILD_MS = 10 * 60_000;

export const helm: GoProgram = {
  name: 'helm',
  folder: import.meta.dirname,
  package: 'helm.sh/helm/v3/cmd/helm',
  flags: ['-buildvcs=false', '-p', '2', '-ldflags', '-s -w'],
  limitMs: BUILD_MS,
};

/** What `kubeplane` is built of; `main.go` tells what it is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GoProgram } from '../../kit/go-build.ts';

/** Two busy cores need 10 to 15 minutes. */
const BUILD_MS = 45 * 60_000;

const version = /^\tk8s\.io\/kubernetes (v\d+\.\d+\.\d+)$/m.exec(
  readFileSync(join(import.meta.dirname, 'go.mod'), 'utf8'),
)![1]!;

/** The server and kubectl tell clients this version; without it they would say v0.0.0. */
function stamps(): string {
  const [major, minor] = version.slice(1).split('.');
  const values = {
    gitVersion: version,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: 'clean',
    gitCommit: '0'.repeat(40),
    buildDate: '2026-01-01T00:00:00Z',
  };
  return ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
    .flatMap((name) => Object.entries(values).map(([key, value]) => `-X ${name}.${key}=${value}`))
    .join(' ');
}

export const kubeplane: GoProgram = {
  name: 'kubeplane',
  folder: import.meta.dirname,
  package: '.',
  flags: ['-buildvcs=false', '-p', '2', '-ldflags', `-s -w ${stamps()}`],
  limitMs: BUILD_MS,
};

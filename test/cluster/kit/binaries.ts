/** Where the programs of the control plane come from. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findGoProgram } from '../../kit/go-build.ts';
import { kubeplane } from '../kubeplane/program.ts';
import { enterOwnNetwork } from './own-network.ts';

const NAMES = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'] as const;

/** Those that one can do without: controller-runtime's assets have no controllers. */
const OPTIONAL = new Set<string>(['kube-controller-manager']);

/** For each program how it is called: its path, and for `kubeplane` which of its parts. Empty: it is missing. */
export type Binaries = Readonly<Record<(typeof NAMES)[number], readonly string[]>>;

/**
 * The programs of `KUBEBUILDER_ASSETS` where that is set, or else `kubeplane` when it was built; the process is in a
 * network of its own then. Otherwise why there can be no cluster here.
 */
export function prepareCluster(): { readonly binaries: Binaries } | { readonly missing: string } {
  const found = findBinaries();
  if ('missing' in found) return found;
  const missing = enterOwnNetwork();
  return missing === null ? found : { missing };
}

function findBinaries(): { readonly binaries: Binaries } | { readonly missing: string } {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets !== undefined) {
    const isThere = (name: string) => existsSync(join(assets, name));
    const absent = NAMES.filter((name) => !OPTIONAL.has(name) && !isThere(name));
    if (absent.length > 0) return { missing: `KUBEBUILDER_ASSETS (${assets}) lacks ${absent.join(', ')}` };
    return { binaries: binaries((name) => (isThere(name) ? [join(assets, name)] : [])) };
  }
  const built = findGoProgram(kubeplane);
  if ('missing' in built) {
    return { missing: `${built.missing}: node_modules/.bin/node test/cluster/kubeplane/build.ts` };
  }
  return { binaries: binaries((name) => [built.program, name]) };
}

function binaries(command: (name: string) => readonly string[]): Binaries {
  return Object.fromEntries(NAMES.map((name) => [name, command(name)])) as Binaries;
}

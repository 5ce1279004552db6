/** Builds `kubeplane` and says how long it took: `node test/cluster/kubeplane/build.ts`. */
import { buildAndTell } from '../../kit/go-build.ts';
import { kubeplane } from './program.ts';

buildAndTell(kubeplane);

/** Builds Helm and says how long it took: `node test/helm/build.ts`. */
import { buildAndTell } from '../kit/go-build.ts';
import { helm } from './program.ts';

buildAndTell(helm);

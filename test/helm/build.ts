/** Builds Helm and says how long it took: `node test/helm/build.ts`. */
import { statSync } from 'node:fs';
import { buildGoProgram } from '../kit/go-build.ts';
import { helm } from './program.ts';

const start = performance.now();
const built = buildGoProgram(helm);
if ('missing' in built) {
  console.error(built.missing);
  process.exitCode = 1;
} else {
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const megabytes = (statSync(built.program).size / 1e6).toFixed(0);
  console.log(`${built.program}: ${megabytes} MB, there after ${seconds} s`);
}

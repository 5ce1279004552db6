/** Writes the plain manifests of deploy/, which are made of the chart: `node test/helm/write-manifests.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildGoProgram } from '../kit/go-build.ts';
import { helm } from './program.ts';
import { PLAIN_MANIFESTS, plainManifest } from './render.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');

const built = buildGoProgram(helm);
if ('missing' in built) throw new Error(built.missing);
for (const manifest of PLAIN_MANIFESTS) {
  writeFileSync(join(DEPLOY, manifest.file), plainManifest(built.program, manifest));
}

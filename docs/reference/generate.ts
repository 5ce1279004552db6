/** Writes the reference pages that are made from the code: `node docs/reference/generate.ts`. */
import { writeFileSync } from 'node:fs';
import { metricsReference } from '../../src/observe/reference.ts';
import { settingsReference } from '../../src/settings/reference.ts';

writeFileSync(new URL('settings.md', import.meta.url), settingsReference());
writeFileSync(new URL('metrics.md', import.meta.url), metricsReference());

/** Writes the reference pages that are made from the code: `node docs/reference/generate.ts`. */
import { writeFileSync } from 'node:fs';
import { annotationsPage } from './annotations-page.ts';
import { metricsPage } from './metrics-page.ts';
import { settingsPage } from './settings-page.ts';

writeFileSync(new URL('settings.md', import.meta.url), settingsPage());
writeFileSync(new URL('metrics.md', import.meta.url), metricsPage());
writeFileSync(new URL('annotations.md', import.meta.url), annotationsPage());

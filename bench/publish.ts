/** Writes what a run measured to where people look for it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { drawChart } from './chart.ts';
import { formatResults, type Results } from './report.ts';

const RESULTS = new URL('./results/', import.meta.url);
const DOCUMENT = new URL('../docs/performance.md', import.meta.url);
const FIGURE = new URL('../docs/figures/performance.svg', import.meta.url);
/** What stands between these two lines of the document is replaced. */
const BEGIN = '<!-- written by npm run bench: begin -->';
const END = '<!-- written by npm run bench: end -->';

/** Leaves the figures in bench/results/; those of a `complete` run also go into the documentation. */
export async function publish(results: Results, complete: boolean): Promise<void> {
  const text = formatResults(results);
  const svg = drawChart(results.scenarios.flatMap(({ comparisons }) => comparisons));
  await mkdir(RESULTS, { recursive: true });
  await writeFile(new URL('latest.json', RESULTS), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(new URL('latest.md', RESULTS), text);
  await writeFile(new URL('latest.svg', RESULTS), svg);
  console.log('Figures: bench/results/latest.{md,json,svg}');
  if (!complete) return;
  await writeFile(DOCUMENT, replaceFigures(await readFile(DOCUMENT, 'utf8'), text));
  await mkdir(new URL('.', FIGURE), { recursive: true });
  await writeFile(FIGURE, svg);
  console.log('docs/performance.md and its figure are renewed.');
}

function replaceFigures(document: string, figures: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new Error(`docs/performance.md: the lines "${BEGIN}" and "${END}" are missing`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${figures}\n${document.slice(end)}`;
}

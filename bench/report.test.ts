import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawChart } from './chart.ts';
import { formatScenario, type ScenarioResult } from './report.ts';
import type { Row } from './rounds.ts';

function row(name: string, cpuUs: number): Row {
  return {
    name,
    cpuUs,
    cpuLowerQuartileUs: cpuUs - 1,
    systemShare: 0.75,
    perSecond: 12_345.6,
    p50Us: 1234,
    p99Us: 5678,
    ratio: { to: 'nginx', cpu: cpuUs / 20, perSecond: 1 },
    errors: 0,
  };
}

const result: ScenarioResult = {
  name: 'small-get',
  title: 'Small GET',
  description: 'What is done.',
  comparisons: [
    {
      title: 'no log',
      unit: 'request',
      rows: [row('Tidegate', 24), row('nginx', 20)],
      targets: [
        { name: 'Tidegate', reference: 'nginx', atMost: 1.35 },
        { name: 'Tidegate', reference: 'nginx', atMost: 1.1 },
        { name: 'Tidegate', reference: 'Caddy', atMost: 1 },
      ],
    },
  ],
  facts: [{ name: 'Start to ready', value: 3123.4, unit: 'ms', atMost: 3000 }],
  failures: ['Caddy: is not\ninstalled'],
};

test('a scenario becomes a table, verdicts on its targets, its single figures and what is missing', () => {
  assert.equal(
    formatScenario(result),
    `## Small GET

What is done.

| no log   | CPU µs per request | lower quartile | in kernel | CPU ratio | requests/s | ratio | p50 ms | p99 ms | errors |
| -------- | -----------------: | -------------: | --------: | --------: | ---------: | ----: | -----: | -----: | -----: |
| Tidegate |               24.0 |           23.0 |      75 % |      1.20 |     12,346 |  1.00 |   1.23 |   5.68 |      0 |
| nginx    |               20.0 |           19.0 |      75 % |      1.00 |     12,346 |  1.00 |   1.23 |   5.68 |      0 |

- Tidegate: 1.20 × nginx; target at most 1.35: reached
- Tidegate: 1.20 × nginx; target at most 1.10: **missed**

|                | measured |    target (at most) |
| -------------- | -------: | ------------------: |
| Start to ready |  3123 ms | 3000 ms: **missed** |

Not measured: Caddy: is not installed
`,
  );
});

test('the figure names each comparison and proxy with its ratio, but not nginx, which is its measure', () => {
  const svg = drawChart(result.comparisons);
  assert.match(svg, /^<svg /);
  for (const text of ['no log', 'Tidegate', '1.20']) assert.ok(svg.includes(`>${text}<`), text);
  assert.ok(!svg.includes('>nginx<'));
});

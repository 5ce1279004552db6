/** The figure of the report: CPU per request of each proxy, in multiples of nginx's, one group per comparison. */
import * as echarts from 'echarts';
import { REFERENCE } from './peers/all.ts';
import type { Comparison } from './scenarios/scenario.ts';

const ROW_HEIGHT = 18;
const COLORS = ['#0b7285', '#868e96', '#e8590c', '#5f3dc4', '#c2255c', '#2b8a3e'];

/** SVG text. Only comparisons that refer to nginx are drawn. */
export function drawChart(comparisons: readonly Comparison[]): string {
  const drawn = comparisons.filter(({ rows }) => rows.some(({ ratio }) => ratio?.to === REFERENCE.name));
  const names = [...new Set(drawn.flatMap(({ rows }) => rows.map(({ name }) => name)))];
  const height = 110 + drawn.length * (names.length + 1) * ROW_HEIGHT;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 860, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: COLORS,
    title: {
      text: 'CPU time per request, in multiples of nginx (shorter is better)',
      left: 16,
      top: 10,
      textStyle: { fontSize: 15 },
    },
    legend: { top: 38, left: 16, data: names },
    grid: { left: 190, right: 60, top: 76, bottom: 30 },
    // A logarithmic axis keeps a peer that costs ten times as much on the same page as one that costs a tenth more.
    xAxis: { type: 'log', min: 0.25, axisLabel: { formatter: (value: number) => `${value}×` } },
    yAxis: {
      type: 'category',
      inverse: true,
      data: drawn.map(({ title }) => title),
      axisTick: { show: false },
    },
    series: names.map((name) => ({
      name,
      type: 'bar',
      barGap: '10%',
      data: drawn.map(({ rows }) => rows.find((row) => row.name === name)?.ratio?.cpu ?? null),
      label: {
        show: true,
        position: 'right',
        fontSize: 10,
        formatter: ({ value }: { value: unknown }) => formatRatio(value),
      },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

function formatRatio(value: unknown): string {
  return typeof value === 'number' ? value.toFixed(2) : '';
}

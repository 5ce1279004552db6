/** The figure of the report: CPU per request of each proxy relative to nginx's, one group of bars per comparison. */
import * as echarts from 'echarts';
import { PEERS, REFERENCE } from './peers/all.ts';
import type { Comparison } from './scenarios/scenario.ts';

const ROW_HEIGHT = 18;
/** In the order of {@link PEERS} without nginx, which is the line at 1×. */
const COLORS = ['#0b7285', '#868e96', '#e8590c', '#5f3dc4', '#c2255c'];

/** SVG text. Only comparisons that refer to nginx are drawn. */
export function drawChart(comparisons: readonly Comparison[]): string {
  const drawn = comparisons.filter(({ rows }) => rows.some(({ ratio }) => ratio?.to === REFERENCE.name));
  const measured = new Set(drawn.flatMap(({ rows }) => rows.map(({ name }) => name)));
  const peers = PEERS.filter((peer) => peer !== REFERENCE).map(({ name }, index) => ({
    name,
    color: COLORS[index],
  }));
  const shown = peers.filter(({ name }) => measured.has(name));
  const height = 130 + drawn.length * (shown.length + 1) * ROW_HEIGHT;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 860, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: {
      text: 'CPU time per request, relative to nginx (bars to the left are cheaper)',
      left: 16,
      top: 10,
      textStyle: { fontSize: 15 },
    },
    legend: { top: 38, left: 16, data: shown.map(({ name }) => name) },
    grid: { left: 200, right: 40, top: 76, bottom: 40 },
    // On a logarithmic axis half the cost is as far from 1× as double, and ten times still fits on the page.
    xAxis: {
      type: 'log',
      logBase: 2,
      min: 0.25,
      max: 16,
      axisLabel: { formatter: (value: number) => `${value}×` },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: drawn.map(({ title }) => title),
      axisTick: { show: false },
    },
    series: shown.map(({ name, color }) => ({
      name,
      type: 'bar',
      itemStyle: { color },
      data: drawn.map(({ rows }) => bar(rows.find((row) => row.name === name)?.ratio?.cpu)),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

/** A bar with its figure at the end that is away from 1×. */
function bar(ratio: number | undefined): object | null {
  if (ratio === undefined) return null;
  const position = ratio < 1 ? 'left' : 'right';
  return { value: ratio, label: { show: true, position, fontSize: 10, formatter: ratio.toFixed(2) } };
}

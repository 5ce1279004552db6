// Polls /status and shows it. Everything is set as text, never as markup: hosts and messages are other people's.

const POLL_MS = 2000;
const byId = (id) => document.getElementById(id);

/** The status before this one, to make rates of totals; null when there is none to compare with. */
let previous = null;

async function poll() {
  const filter = byId('filter').value.trim();
  const response = await fetch(`status?filter=${encodeURIComponent(filter)}`, { cache: 'no-store' });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const current = { at: performance.now(), status: await response.json() };
  show(current, previous);
  previous = current;
}

function show({ at, status }, before) {
  const seconds = before === null ? 0 : (at - before.at) / 1000;
  const rows = ratedRows(status, before?.status, seconds);
  byId('version').textContent = status.version;
  const { ready, reason } = status.readiness;
  setState(ready ? 'Ready' : `Not ready: ${reason}`, ready ? 'good' : 'warning');
  showFigures(status, before?.status, seconds);
  showProblems(status.problems);
  const shown = status.rowsFound > rows.length ? `the ${rows.length} busiest of ` : '';
  byId('routes-found').textContent = `${shown}${status.rowsFound}`;
  byId('routes').replaceChildren(...rows.map(routeRow));
  byId('workers').replaceChildren(...status.workers.map(workerRow));
}

function ratedRows(status, before, seconds) {
  const known = new Map((before?.rows ?? []).map((row) => [rowKey(row), row]));
  return status.rows.map((row) => {
    const old = known.get(rowKey(row));
    // A total that fell was reset: no rate until the next poll.
    if (!old || seconds === 0 || row.requests < old.requests)
      return { ...row, rate: null, errorRate: null, meanMs: null };
    const requests = row.requests - old.requests;
    return {
      ...row,
      rate: requests / seconds,
      errorRate: (row.errors - old.errors) / seconds,
      meanMs: requests === 0 ? null : ((row.durationSum - old.durationSum) / requests) * 1000,
    };
  });
}

function rowKey(row) {
  return JSON.stringify([row.host, row.object, row.service]);
}

function showFigures(status, before, seconds) {
  const perSecond = (name) => {
    if (!before || seconds === 0 || status[name] < before[name]) return null;
    return (status[name] - before[name]) / seconds;
  };
  const figures = [
    ['Generation', status.generation],
    ['Requests/s', rate(perSecond('requests'))],
    ['5xx/s', rate(perSecond('errors'))],
    ['Connections', whole(status.connections)],
    ['Hosts', whole(status.hosts)],
    ['Routes', whole(status.routes)],
    ['Errors', whole(status.problems.errors)],
    ['Warnings', whole(status.problems.warnings)],
    ['Up', uptime(status.uptimeSeconds)],
  ];
  byId('figures').replaceChildren(
    ...figures.map(([name, value]) => {
      const group = document.createElement('div');
      group.append(element('dt', name), element('dd', String(value)));
      return group;
    }),
  );
}

function showProblems({ errors, warnings, shown }) {
  byId('problems-none').hidden = shown.length > 0;
  byId('problems-table').hidden = shown.length === 0;
  byId('problems-more').hidden = shown.length === errors + warnings;
  byId('problems').replaceChildren(...shown.map(problemRow));
}

function problemRow({ severity, object, field, message, position }) {
  const name = object ? `${object.kind} ${object.namespace ? `${object.namespace}/` : ''}${object.name}` : '';
  const where = position ? `${position.file}:${position.line}` : '';
  return tableRow([element('td', severity, severity), name, field, message, where]);
}

function routeRow(row) {
  const more = row.pathCount > row.paths.length ? ` and ${row.pathCount - row.paths.length} more` : '';
  const endpoints = element('td', String(row.endpoints), row.endpoints === 0 ? 'number error' : 'number');
  return tableRow([
    row.host === '' ? 'any host' : row.host,
    `${row.paths.join(', ')}${more}`,
    row.object,
    row.service,
    endpoints,
    number(rate(row.rate)),
    number(rate(row.errorRate)),
    number(row.meanMs === null ? '–' : row.meanMs.toFixed(1)),
    number(whole(row.requests)),
  ]);
}

function workerRow({ worker, gauges }) {
  const lag = gauges.worker_event_loop_lag_seconds;
  return tableRow([
    String(worker),
    number(lag === undefined ? '–' : (lag * 1000).toFixed(1)),
    number(whole(gauges.connections ?? 0)),
  ]);
}

function tableRow(cells) {
  const row = document.createElement('tr');
  row.append(...cells.map((cell) => (typeof cell === 'string' ? element('td', cell) : cell)));
  return row;
}

function number(text) {
  return element('td', text, 'number');
}

function element(tag, text, className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function setState(text, className) {
  const state = byId('state');
  // Only a change is announced to screen readers.
  if (state.textContent !== text) state.textContent = text;
  state.className = className;
}

function whole(value) {
  return value.toLocaleString('en');
}

function rate(value) {
  if (value === null) return '–';
  return value >= 100 ? whole(Math.round(value)) : value.toFixed(1);
}

function uptime(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

async function pollForEver() {
  for (;;) {
    if (!document.hidden) {
      try {
        await poll();
      } catch {
        previous = null;
        setState('Not reachable', 'error');
      }
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

byId('filter').addEventListener('input', () => {
  poll().catch(() => setState('Not reachable', 'error'));
});
await pollForEver();

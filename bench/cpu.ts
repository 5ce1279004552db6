/** What a process and everything it started cost: CPU time and memory, read from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** CPU time in microseconds since the start of the process. */
export interface CpuTime {
  readonly userUs: number;
  readonly systemUs: number;
}

/** What of a line of /proc/PID/stat matters here. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly userTicks: number;
  readonly systemTicks: number;
}

/** USER_HZ is 100 on every Linux that Node.js runs on: one tick is 10 ms. */
const TICK_US = 10_000;

/**
 * Reads one line of /proc/PID/stat (proc(5): field 4 is the parent, 14 and 15 are the user and system ticks of
 * all threads). The second field is a file name in parentheses that may itself hold blanks and parentheses, so
 * fields are counted from the last `)`.
 */
export function parseStat(line: string): ProcessStat {
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  return { pid, parent: field(4), userTicks: field(14), systemTicks: field(15) };
}

/** The processes of `stats` that descend from `root`, with `root` itself. */
export function descendants(stats: readonly ProcessStat[], root: number): ProcessStat[] {
  const family = new Set([root]);
  for (let before = 0; before !== family.size; ) {
    before = family.size;
    for (const stat of stats) if (family.has(stat.parent)) family.add(stat.pid);
  }
  return stats.filter((stat) => family.has(stat.pid));
}

/** CPU time of the process `pid` and of all its living descendants; each with all of its threads. */
export function cpuOfTree(pid: number): CpuTime {
  let user = 0;
  let system = 0;
  for (const stat of tree(pid)) {
    user += stat.userTicks;
    system += stat.systemTicks;
  }
  return { userUs: user * TICK_US, systemUs: system * TICK_US };
}

/** Resident bytes of the process `pid` and of all its living descendants. Pages they share count each time. */
export function residentBytesOfTree(pid: number): number {
  let bytes = 0;
  for (const stat of tree(pid)) {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(`${stat.pid}/status`));
    bytes += Number(match?.[1] ?? 0) * 1024;
  }
  return bytes;
}

function tree(root: number): ProcessStat[] {
  const stats: ProcessStat[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const line = readProc(`${name}/stat`);
    if (line !== '') stats.push(parseStat(line));
  }
  return descendants(stats, root);
}

/** '' when the process ended in between. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
}

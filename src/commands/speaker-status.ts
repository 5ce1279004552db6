/** `tidegate speaker status`: what the speaker of this host announces, as tables. */
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import type { AnnouncedAddress, PeerReport, SpeakerReport } from '../model/speaker-report.ts';
import type { ListenAddress } from '../settings/values.ts';
import { type Paint, painter, printable, type Terminal } from './terminal/terminal.ts';
import { UsageError } from './terminal/usage-error.ts';

export interface SpeakerStatusRequest {
  /** The admin listener of the speaker. */
  readonly admin: ListenAddress;
  readonly output: 'text' | 'json';
  readonly terminal: Terminal;
}

const TIMEOUT_MS = 5000;

/** Prints and gives the exit code: 1 when a session that should be up is not. Rejects with a UsageError. */
export async function speakerStatus({ admin, output, terminal }: SpeakerStatusRequest): Promise<number> {
  const report = await ask(admin);
  if (output === 'json') terminal.write(`${JSON.stringify(report, null, 2)}\n`);
  else terminal.write(tables(report, painter(terminal, process.env), Date.now()));
  return report.peers.every(({ state }) => state === 'Established') ? 0 : 1;
}

async function ask({ address, port }: ListenAddress): Promise<SpeakerReport> {
  const host = address === '::' || address === '0.0.0.0' ? 'localhost' : address;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request = get({ host, port, path: '/speaker', timeout: TIMEOUT_MS }, (response) => {
    const read = text(response);
    if (response.statusCode === 200) read.then(resolve, reject);
    else read.then((said) => reject(new Error(`${response.statusCode}: ${printable(said.trim())}`)), reject);
  });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
  request.on('error', reject);
  try {
    return JSON.parse(await promise) as SpeakerReport;
  } catch (error) {
    const where = `the admin listener at ${host} port ${port}`;
    throw new UsageError([
      `the speaker cannot be asked: ${where}: ${(error as Error).message} (is it running, and is --admin the same?)`,
    ]);
  }
}

function tables(report: SpeakerReport, paint: Paint, now: number): string {
  const { addresses, peers, routes, notices, speakers } = report;
  const parts = [
    `${paint('bold', 'Node')} ${printable(report.node)}\n`,
    `${paint('bold', 'Speakers on layer 2')} ${printable(speakers.join(', ') || 'none')}\n`,
    section('Addresses', ADDRESS_HEAD, addresses.map(addressRow), paint),
    section(
      'Peers',
      PEER_HEAD,
      peers.map((peer) => peerRow(peer, now)),
      paint,
    ),
    section(
      'Routes',
      ['PREFIX', 'PEERS', 'LOCALPREF', 'COMMUNITIES'],
      routes.map(({ prefix, peers: to, localPref, communities }) => [
        prefix,
        to.join(','),
        localPref === null ? '-' : String(localPref),
        communities.join(',') || '-',
      ]),
      paint,
    ),
    ...notices.map(({ at, text: said }) => `${new Date(at).toISOString()} ${printable(said)}\n`),
  ];
  return parts.join('\n');
}

const ADDRESS_HEAD = ['ADDRESS', 'SERVICE', 'POOL', 'LAYER 2', 'BGP'];

function addressRow({ address, service, pool, bgp, layer2 }: AnnouncedAddress): string[] {
  const toldTo = bgp.peers.length > 0 ? `announced to ${bgp.peers.join(',')}` : bgp.verdict;
  return [address, service, pool, layer2Cell(layer2), toldTo];
}

/** Who answers for it; where nobody does, why. */
function layer2Cell({ verdict, owners, elected, state, interfaces }: AnnouncedAddress['layer2']): string {
  if (verdict !== 'announced') return verdict;
  const on = interfaces.length > 0 ? ` (here on ${interfaces.join(',')})` : '';
  if (owners.length > 0) return `${owners.join(' and ')}${on}`;
  if (state === 'in-use') return 'nobody: a foreign host uses it';
  return elected === null ? 'nobody: no speaker that may lives' : `nobody yet: ${elected} is to take it`;
}

const PEER_HEAD = ['PEER', 'ADDRESS', 'STATE', 'SINCE', 'ROUTES', 'BFD', 'LAST ERROR'];

function peerRow(peer: PeerReport, now: number): string[] {
  const { name, address, port, state, since, announcedRoutes, wantedRoutes, bfd, lastError } = peer;
  return [
    name,
    port === 179 ? address : `${address} port ${port}`,
    state,
    since === null ? '-' : age(now - since),
    `${announcedRoutes}/${wantedRoutes}`,
    bfd === null ? '-' : bfd.detectMs === 0 ? bfd.state : `${bfd.state} (${bfd.detectMs}ms)`,
    lastError || '-',
  ];
}

/** As kubectl prints ages. */
function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

function section(title: string, head: readonly string[], rows: readonly string[][], paint: Paint): string {
  if (rows.length === 0) return `${paint('bold', title)}: none\n`;
  const lines = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const texts = lines.map((line) =>
    line
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  );
  return `${paint('bold', title)}\n${texts.map((line) => `  ${line}\n`).join('')}`;
}

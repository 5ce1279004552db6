/**
 * node idle-client.ts PORT COUNT [SERVER-NAME]
 *
 * Opens so many connections, makes one request on each and keeps them open. Prints `open` when all have their
 * answer; ends when standard input ends, with exit code 1 if a connection was closed by then.
 */
import { once } from 'node:events';
import { type Connection, openConnection } from './connection.ts';

const AT_A_TIME = 64;

const [port = '', count = '1', serverName = null] = process.argv.slice(2);
const connections: Connection[] = [];
let left = Number(count);
let lost = 0;

await Promise.all(Array.from({ length: AT_A_TIME }, openInTurn));
console.log('open');
process.stdin.resume();
await once(process.stdin, 'end');
process.exit(lost === 0 ? 0 : 1);

async function openInTurn(): Promise<void> {
  while (left-- > 0) {
    const connection = await openConnection(Number(port), serverName);
    const { status } = await connection.get(serverName ?? '127.0.0.1', '/');
    if (status !== 200) throw new Error(`status ${status}`);
    connection.socket.on('close', () => lost++);
    connections.push(connection);
  }
}

/** The API server's own record of the requests that ServiceAccounts made: what they asked for and what they got. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata', userGroups: ['system:serviceaccounts'] }, { level: 'None' }],
};

export interface AuditEvent {
  /** A watch has an event of each when it starts and when it ends. */
  readonly stage: 'ResponseStarted' | 'ResponseComplete' | 'Panic';
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestURI: string;
  readonly objectRef?: { readonly resource: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code: number };
}

/** All events so far, oldest first. */
export async function readAudit(folder: string): Promise<AuditEvent[]> {
  const text = await readFile(join(folder, 'audit.log'), 'utf8').catch(() => '');
  // The last line may be half written.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent);
}

/** The requests that the API server refused for want of a role, as `verb uri`. */
export function forbidden(events: readonly AuditEvent[]): string[] {
  return events
    .filter(({ responseStatus }) => responseStatus?.code === 403)
    .map(({ user, verb, requestURI }) => `${user.username}: ${verb} ${requestURI}`);
}

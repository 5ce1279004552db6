import { type AdminServer, startAdmin } from '../../admin/server.ts';
import type { AdminView } from '../../admin/view.ts';
import type { Settings } from '../../settings/settings.ts';

/**
 * The admin listener; null when the settings want none. `waits`: a port in use is waited for. Rejects with a message for
 * the user when the address cannot be bound.
 */
export async function openAdmin(
  { admin, adminName }: Pick<Settings, 'admin' | 'adminName'>,
  waits: boolean,
  view: AdminView,
): Promise<AdminServer | null> {
  if (admin === null) return null;
  const { address, port } = admin;
  return startAdmin({ address, port, name: adminName, waits }, view);
}

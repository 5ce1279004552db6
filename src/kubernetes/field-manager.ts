/** What all our field managers begin with. */
export const FIELD_MANAGER = 'tidegate';

const OWN_CONTROLLER = 'tidegate.io/ingress-controller';
/** As the API server has it. */
const MAX_LENGTH = 128;

/**
 * Under this name our fields stand in `metadata.managedFields` (server-side apply). It must never change: a later
 * version would not know what an earlier one has written. Each controller name has its own, since a second installation
 * would take what the first one wrote for leftovers of its own.
 */
export function fieldManagerOf(controller: string): string {
  return controller === OWN_CONTROLLER
    ? FIELD_MANAGER
    : `${FIELD_MANAGER}:${controller}`.slice(0, MAX_LENGTH);
}

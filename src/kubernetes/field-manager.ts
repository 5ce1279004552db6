/**
 * Under this name our fields stand in `metadata.managedFields` (server-side apply). It must never change: a later
 * version would not know what an earlier one has written.
 */
export const FIELD_MANAGER = 'tidegate';

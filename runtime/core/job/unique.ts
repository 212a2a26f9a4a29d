/** What becomes of a submit while another job of its type with the same unique key is queued or running. */
export const ON_CONFLICT = ["refuse", "first", "replace"] as const;
export type OnConflict = (typeof ON_CONFLICT)[number];

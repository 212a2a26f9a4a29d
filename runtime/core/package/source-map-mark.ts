/** What the writer of source maps in packages and their reader in a job's process agree on. */

/** Begins the comment at the end of a bundled file; the map follows in base 64. */
export const SOURCE_MAP_MARK = "//# sourceMappingURL=data:application/json;base64,";

/** In a map, the source of Jobyard's own code, whose frames are not shown. */
export const SDK_SOURCE = "jobyard:job";

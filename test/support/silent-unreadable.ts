/** For tests in which every format is known. */
import type { Unreadable } from "../../runtime/core/unreadable.ts";

export const silentUnreadable: Unreadable = { note: () => undefined, formats: () => [] };

/** The memory keys for tests that drive time themselves: no access waits for a turn of the event loop. */
import type { KeyStore } from "../../runtime/core/ports/key-store.ts";
import { createMemoryKeys as keysIn } from "./stores/memory-keys.ts";
import { MemoryTable } from "./stores/memory-table.ts";

export const createMemoryKeys = (): KeyStore => keysIn(new MemoryTable(() => Promise.resolve()));

/** The two kinds of stores that every promise of a port is held against. Where they differ, the memory ones are wrong. */
import { createAzureStores } from "./azure-stores.ts";
import { createMemoryStores, type Stores } from "./memory-stores.ts";

export interface Backing {
  readonly name: string;
  /** Each call of what it returns gives the stores of one more process, all over the same data. */
  readonly start: () => () => Stores;
}

export const BACKINGS: readonly Backing[] = [
  {
    name: "memory",
    start: () => {
      const stores = createMemoryStores();
      return () => stores;
    },
  },
  { name: "Azurite", start: () => () => createAzureStores() },
];

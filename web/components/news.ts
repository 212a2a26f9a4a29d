/** Rows that came since a list was first shown. They wait until the reader asks for them, so that nothing is moved. */
import { useState } from "react";

export interface News<T> {
  /** Without the new ones. Undefined: the list is being read. */
  readonly shown: readonly T[] | undefined;
  readonly count: number;
  readonly onShow: () => void;
}

interface Known {
  readonly of: string;
  readonly keys: ReadonlySet<string>;
}

/** `of` names the list: another filter is another list, whose rows are all known at first. */
export function useNews<T>(items: readonly T[] | undefined, keyOf: (item: T) => string, of: string): News<T> {
  const [known, setKnown] = useState<Known>({ of: "", keys: new Set() });
  const keys = known.of === of ? known.keys : new Set<string>();
  const learn = (more: readonly T[]): void => setKnown({ of, keys: new Set([...keys, ...more.map(keyOf)]) });
  if (items === undefined) return { shown: undefined, count: 0, onShow: () => undefined };
  // What follows the last known row was read because the reader scrolled there.
  const after = items.findLastIndex((item) => keys.has(keyOf(item))) + 1;
  const further = items.slice(after).filter((item) => !keys.has(keyOf(item)));
  if (further.length > 0) learn(further);
  const shown = items.filter((item, index) => index >= after || keys.has(keyOf(item)));
  return { shown, count: items.length - shown.length, onShow: () => learn(items) };
}

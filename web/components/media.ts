/** What the window has room for. */
import { useCallback, useSyncExternalStore } from "react";

/** A list and the detail of one of its rows beside it. */
export const ROOM_FOR_TWO = "(min-width: 1280px)";

export function useMedia(query: string): boolean {
  const subscribe = useCallback(
    (onChange: () => void) => {
      const list = matchMedia(query);
      list.addEventListener("change", onChange);
      return () => list.removeEventListener("change", onChange);
    },
    [query],
  );
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}

/** Shown in place of code that could not be loaded. Loads the dashboard again: once by itself, then when the reader says so. */
import { useEffect, useState } from "react";
import { loadAgainFor, wasLoadedAgainFor } from "../data/load-again.ts";
import { ErrorNote } from "./error-note.tsx";
import { GhostPage } from "./ghost.tsx";

const WHAT = "This page cannot be shown.";

export interface LoadAgainProps {
  /** Names the code. */
  readonly part: string;
  readonly error: unknown;
}

export function LoadAgain({ part, error }: LoadAgainProps) {
  const [isWaiting, setWaiting] = useState(() => !wasLoadedAgainFor(part));
  const [isSilent, setSilent] = useState(false);
  useEffect(() => {
    if (!isWaiting) return;
    const left = new AbortController();
    void loadAgainFor(part, { signal: left.signal, onSilence: () => setSilent(true) });
    return () => left.abort();
  }, [part, isWaiting]);
  if (!isWaiting) return <ErrorNote error={error} what={WHAT} onRetry={() => setWaiting(true)} />;
  return isSilent ? <ErrorNote error="The API is down. The page comes when it answers." what={WHAT} /> : <GhostPage />;
}

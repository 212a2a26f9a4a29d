/** Stands where code did not come, and loads the dashboard again: once by itself, then when the reader says so. */
import { useEffect, useState } from "react";
import { loadAgainFor, wasLoadedAgainFor } from "../data/load-again.ts";
import { ErrorNote } from "./error-note.tsx";
import { GhostPage } from "./ghost.tsx";

export interface LoadAgainProps {
  /** Names the code that did not come. */
  readonly code: string;
  readonly error: unknown;
}

export function LoadAgain({ code, error: reason }: LoadAgainProps) {
  const [error, setError] = useState(() => (wasLoadedAgainFor(code) ? reason : undefined));
  const isWaiting = error === undefined;
  useEffect(() => {
    if (!isWaiting) return;
    const left = new AbortController();
    loadAgainFor(code, left.signal).catch(setError);
    return () => left.abort();
  }, [code, isWaiting]);
  if (isWaiting) return <GhostPage />;
  return <ErrorNote error={error} what="This page cannot be shown." onRetry={() => setError(undefined)} />;
}

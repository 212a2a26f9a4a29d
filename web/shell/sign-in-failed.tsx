/** The page when nobody could be signed in. */
import { useState } from "react";
import { ErrorNote } from "../components/error-note.tsx";
import { GhostPage } from "../components/ghost.tsx";

export interface SignInFailedProps {
  readonly error: unknown;
  /** Tries again. Renders another page, or this one with another error. */
  readonly onRetry: () => Promise<void>;
}

export function SignInFailed({ error, onRetry }: SignInFailedProps) {
  const [isBusy, setBusy] = useState(false);
  const retry = async (): Promise<void> => {
    setBusy(true);
    await onRetry();
    setBusy(false);
  };
  return (
    <main className="start">
      <h1>Jobyard</h1>
      {isBusy ? (
        <GhostPage />
      ) : (
        <ErrorNote error={error} what="The sign-in did not work." onRetry={() => void retry()} />
      )}
    </main>
  );
}

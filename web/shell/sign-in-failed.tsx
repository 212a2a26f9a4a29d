/** The page when nobody could be signed in. */
import { useState } from "react";
import { ErrorNote } from "../components/error-note.tsx";
import { loadAgainFor } from "../data/load-again.ts";

export function SignInFailed({ error: reason }: { readonly error: unknown }) {
  const [error, setError] = useState(reason);
  return (
    <main className="start">
      <h1>Jobyard</h1>
      <ErrorNote
        error={error}
        what="The sign-in did not work."
        onRetry={() => void loadAgainFor("sign-in").catch(setError)}
      />
    </main>
  );
}

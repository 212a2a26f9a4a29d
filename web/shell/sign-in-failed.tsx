/** The page when nobody could be signed in. */
import { ErrorNote } from "../components/error-note.tsx";

export const SignInFailed = ({ error }: { readonly error: unknown }) => (
  <main className="start">
    <h1>Jobyard</h1>
    <ErrorNote error={error} what="The sign-in did not work." onRetry={() => location.reload()} />
  </main>
);

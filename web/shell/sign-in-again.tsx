/** A new sign-in, from the frame of the pages. */
import { ErrorText } from "../components/error-note.tsx";
import { useToast } from "../components/toast.tsx";
import { useSession } from "../data/session.ts";

/** Sends the window to the issuer. If that does not answer, the reader stays, and is told. */
export function useSignInAgain(): () => void {
  const { signInAgain } = useSession();
  const toast = useToast();
  return () => {
    signInAgain().catch((error: unknown) => toast.show({ kind: "bad", text: <ErrorText error={error} /> }));
  };
}

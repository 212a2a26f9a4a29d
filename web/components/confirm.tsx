/** Asks before something is done, and shows the command that does the same. */
import { useState, type ReactNode } from "react";
import { CliLine } from "./copy.tsx";
import { ActionButton } from "./action-button.tsx";
import { Dialog } from "./dialog.tsx";
import { ErrorText } from "./error-note.tsx";
import { useToast } from "./toast.tsx";

export interface ConfirmProps {
  /** The verb on the buttons, as "Cancel the job". */
  readonly verb: string;
  /** What will happen. */
  readonly children: ReactNode;
  readonly cli: string;
  readonly isDangerous?: boolean;
  readonly kind?: "primary" | "danger" | "quiet" | undefined;
  readonly refused?: string | undefined;
  /** Resolves to the words that say what was done. */
  readonly action: () => Promise<string>;
}

/** A button with its dialog. An error stays in the dialog, with the API's words. */
export function ConfirmButton({ verb, children, cli, isDangerous = false, kind, refused, action }: ConfirmProps) {
  const [isOpen, setOpen] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const toast = useToast();
  const close = (): void => {
    setOpen(false);
    setError(undefined);
  };
  const act = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      toast.show({ kind: "good", text: await action() });
      close();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <ActionButton kind={kind} refused={refused} onPress={() => setOpen(true)}>
        {verb}
      </ActionButton>
      <Dialog title={`${verb}?`} isOpen={isOpen} onClose={close}>
        <div>{children}</div>
        <CliLine line={cli} />
        {error === undefined ? null : (
          <div className="note" data-kind="bad" role="alert">
            <ErrorText error={error} />
          </div>
        )}
        <div className="actions">
          <button type="button" className="btn" onClick={close}>
            Back
          </button>
          <ActionButton kind={isDangerous ? "danger" : "primary"} isBusy={isBusy} onPress={() => void act()}>
            {verb}
          </ActionButton>
        </div>
      </Dialog>
    </>
  );
}

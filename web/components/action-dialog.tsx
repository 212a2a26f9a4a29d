/**
 * The frame of everything that changes something: a dialog with words or fields, the command that does the same, and the verb.
 * An error of the API stays in it, with its words.
 */
import { useState, type ReactNode } from "react";
import { ActionButton, type ActionButtonProps } from "./action-button.tsx";
import { CliLine } from "./copy.tsx";
import { Dialog } from "./dialog.tsx";
import { ErrorText } from "./error-note.tsx";
import { useToast } from "./toast.tsx";

interface FrameProps {
  /** What will happen, or fields. */
  readonly children: ReactNode;
  readonly cli: string;
  /** On the button that does it, as "Cancel the job". */
  readonly verb: string;
  readonly isDangerous?: boolean;
  readonly isWide?: boolean;
  /** Why it cannot be done yet, such as an empty field. */
  readonly problem?: string | undefined;
  /** Closes the dialog when it resolves; its words are shown. */
  readonly action: () => Promise<string | undefined>;
}

export interface ActionDialogProps extends FrameProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
}

export function ActionDialog({ title, isOpen, onClose, isWide = false, ...frame }: ActionDialogProps) {
  const { children, cli, verb, isDangerous = false, problem, action } = frame;
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const toast = useToast();
  const close = (): void => {
    setError(undefined);
    onClose();
  };
  const act = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const text = await action();
      if (text !== undefined) toast.show({ kind: "good", text });
      close();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} isOpen={isOpen} onClose={close} isWide={isWide}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (problem === undefined && !isBusy) void act();
        }}
      >
        <div className="dialog-body">{children}</div>
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
          <ActionButton
            kind={isDangerous ? "danger" : "primary"}
            refused={problem}
            isBusy={isBusy}
            onPress={() => void act()}
          >
            {verb}
          </ActionButton>
        </div>
      </form>
    </Dialog>
  );
}

export interface DialogButtonProps extends FrameProps, Pick<ActionButtonProps, "kind" | "refused"> {
  /** What is on the button. Default: the verb. */
  readonly button?: ReactNode;
  /** Default: the verb as a question. */
  readonly title?: string;
  readonly onOpen?: () => void;
}

/** A button with its dialog. */
export function DialogButton({ button, kind, refused, title, onOpen, ...frame }: DialogButtonProps) {
  const [isOpen, setOpen] = useState(false);
  const open = (): void => {
    onOpen?.();
    setOpen(true);
  };
  return (
    <>
      <ActionButton kind={kind} refused={refused} onPress={open}>
        {button ?? frame.verb}
      </ActionButton>
      <ActionDialog {...frame} title={title ?? `${frame.verb}?`} isOpen={isOpen} onClose={() => setOpen(false)} />
    </>
  );
}

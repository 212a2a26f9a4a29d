/** A form in a dialog, with the command that does the same. An error of the API stays in it, with its words. */
import { useState, type ReactNode } from "react";
import { ActionButton } from "./action-button.tsx";
import { CliLine } from "./copy.tsx";
import { Dialog } from "./dialog.tsx";
import { ErrorText } from "./error-note.tsx";

export interface FormDialogProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  /** The fields. */
  readonly children: ReactNode;
  readonly cli: string;
  /** The verb on its button. */
  readonly verb: string;
  /** Why it cannot be sent yet. */
  readonly refused?: string | undefined;
  /** Closes the dialog when it resolves. */
  readonly action: () => Promise<void>;
}

export function FormDialog({ title, isOpen, onClose, children, cli, verb, refused, action }: FormDialogProps) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const close = (): void => {
    setError(undefined);
    onClose();
  };
  const act = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await action();
      close();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} isOpen={isOpen} onClose={close}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (refused === undefined && !isBusy) void act();
        }}
      >
        {children}
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
          <ActionButton kind="primary" refused={refused} isBusy={isBusy} onPress={() => void act()}>
            {verb}
          </ActionButton>
        </div>
      </form>
    </Dialog>
  );
}

export interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly type?: "text" | "url" | "password";
  readonly placeholder?: string;
}

/** A line of text with its label. */
export const TextField = ({ label, value, onChange, type = "text", placeholder }: TextFieldProps) => (
  <label className="field">
    <span>{label}</span>
    <input
      className="input"
      type={type}
      value={value}
      placeholder={placeholder}
      autoComplete="off"
      spellCheck={false}
      onChange={(event) => onChange(event.target.value)}
    />
  </label>
);

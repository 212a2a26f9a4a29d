/** A button for what changes something. Without the right to it, it is greyed and says why. */
import type { ReactNode } from "react";
import { useToast } from "./toast.tsx";

export interface ActionButtonProps {
  readonly children: ReactNode;
  readonly onPress: () => void;
  /** Why it cannot be used now; undefined: it can. */
  readonly refused?: string | undefined;
  readonly kind?: "primary" | "danger" | "quiet" | undefined;
  /** It is being done. */
  readonly isBusy?: boolean;
}

export function ActionButton({ children, onPress, refused, kind, isBusy = false }: ActionButtonProps) {
  const toast = useToast();
  // Not `disabled`: a disabled button cannot be focused, and so never says why.
  return (
    <button
      type="button"
      className={kind === undefined ? "btn" : `btn ${kind}`}
      aria-disabled={refused !== undefined || isBusy || undefined}
      aria-busy={isBusy || undefined}
      title={refused}
      onClick={() => {
        if (refused !== undefined) toast.show({ kind: "bad", text: refused });
        else if (!isBusy) onPress();
      }}
    >
      {children}
      {refused === undefined ? null : <span className="hidden">. {refused}</span>}
    </button>
  );
}

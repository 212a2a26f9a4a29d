/** Short words about what was just done, or refused. They leave by themselves, except for errors. */
import { createContext, use, useCallback, useMemo, useRef, useState, type ReactNode } from "react";
import { Icon } from "./icon.tsx";

export interface Toast {
  readonly kind: "good" | "bad";
  readonly text: ReactNode;
}

export interface Toasts {
  show(toast: Toast): void;
}

const ToastContext = createContext<Toasts>({ show: () => undefined });
export const useToast = (): Toasts => use(ToastContext);

const GOOD_MS = 5_000;
const BAD_MS = 15_000;
const SHOWN_MAX = 4;

export function ToastRegion({ children }: { readonly children: ReactNode }) {
  const [shown, setShown] = useState<readonly (Toast & { readonly id: number })[]>([]);
  const lastId = useRef(0);
  const close = useCallback((id: number) => setShown((all) => all.filter((one) => one.id !== id)), []);
  const toasts = useMemo<Toasts>(
    () => ({
      show(toast) {
        const id = ++lastId.current;
        setShown((all) => [...all.slice(1 - SHOWN_MAX), { ...toast, id }]);
        setTimeout(() => close(id), toast.kind === "good" ? GOOD_MS : BAD_MS);
      },
    }),
    [close],
  );
  return (
    <ToastContext value={toasts}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {shown.map(({ id, kind, text }) => (
          <div key={id} className="toast" data-kind={kind}>
            <div>{text}</div>
            <button type="button" className="copy end" aria-label="Close this message" onClick={() => close(id)}>
              <Icon name="close" size={13} />
            </button>
          </div>
        ))}
      </div>
    </ToastContext>
  );
}

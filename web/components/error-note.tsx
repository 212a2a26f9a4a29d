/** An error as the API says it: its words, its code, the id that finds it in the log. */
import { Component, type ErrorInfo, type ReactNode } from "react";
import { isJobServiceError } from "../../runtime/client/index.ts";
import { Id } from "./copy.tsx";

export interface ErrorNoteProps {
  readonly error: unknown;
  /** What could not be shown or done. */
  readonly what?: string;
  readonly onRetry?: (() => void) | undefined;
}

export function ErrorNote({ error, what, onRetry }: ErrorNoteProps) {
  return (
    <div className="note" data-kind="bad" role="alert">
      {what === undefined ? null : <b>{what}</b>}
      <ErrorText error={error} />
      {onRetry === undefined ? null : (
        <button type="button" className="btn" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

export interface ShownProps extends ErrorNoteProps {
  /** Null: the last read succeeded. */
  readonly error: unknown;
  readonly what: string;
  /** Whether there is something to show, of this read or of one before. */
  readonly isRead: boolean;
  readonly children: ReactNode;
}

/** What was read, or why it cannot be. A later read that fails takes away nothing: dialogs stay open, with what was typed. */
export function Shown({ error, isRead, what, onRetry, children }: ShownProps) {
  return (
    <>
      {error === null ? null : (
        <ErrorNote error={error} what={isRead ? `${what} What is below is older.` : what} onRetry={onRetry} />
      )}
      {error === null || isRead ? children : null}
    </>
  );
}

/** For toasts, and inside of notes. */
export function ErrorText({ error }: { readonly error: unknown }) {
  const message = error instanceof Error ? error.message : String(error);
  if (!isJobServiceError(error)) return <p>{message}</p>;
  return (
    <div>
      <p>{message}</p>
      {error.details.length > 1 ? (
        <ul>
          {error.details.map(({ target, message: text }) => (
            <li key={target + text}>
              <code>{target}</code>: {text}
            </li>
          ))}
        </ul>
      ) : null}
      <p className="muted small">
        <code>{error.code}</code>
        {error.requestId === undefined ? null : (
          <>
            {" · request "}
            <Id id={error.requestId} what="the request's id" />
          </>
        )}
      </p>
    </div>
  );
}

/** Shows an error of the page itself in its place. The frame around it goes on. */
export class ErrorBoundary extends Component<
  { readonly children: ReactNode; readonly place: string },
  { readonly error?: unknown }
> {
  override readonly state: { readonly error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidCatch(error: unknown, { componentStack }: ErrorInfo): void {
    // The browser's console is where a developer looks first.
    reportError(new Error(`In the page${componentStack ?? ""}`, { cause: error }));
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <ErrorNote
        error={error}
        what={`${this.props.place} cannot be shown.`}
        onRetry={() => this.setState({ error: undefined })}
      />
    );
  }
}

/** The head of a page: where it belongs, its name, what can be done. Sets the name of the browser's tab too. */
import { useEffect, type ReactNode } from "react";
import { Link } from "wouter";

export interface PageHeadProps {
  readonly title: string;
  /** The list that this page belongs to. */
  readonly up?: { readonly href: string; readonly title: string };
  /** Beside the title: a state, a count. */
  readonly children?: ReactNode;
  readonly actions?: ReactNode;
}

export function PageHead({ title, up, children, actions }: PageHeadProps) {
  useEffect(() => {
    document.title = `${title} · Jobyard`;
  }, [title]);
  return (
    <div className="head">
      {up === undefined ? null : (
        <Link className="muted" href={up.href}>
          {up.title} /
        </Link>
      )}
      <h1>{title}</h1>
      {children}
      {actions === undefined ? null : <div className="actions">{actions}</div>}
    </div>
  );
}

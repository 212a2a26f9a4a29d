/** A place without content: what would be here, and the next step to get it. */
import type { ReactNode } from "react";
import { CliLine } from "./copy.tsx";

export interface EmptyProps {
  readonly title: string;
  readonly children?: ReactNode;
  /** The command that makes the first one. */
  readonly cli?: string;
}

export const Empty = ({ title, children, cli }: EmptyProps) => (
  <div className="empty">
    <h2>{title}</h2>
    {children === undefined ? null : <p>{children}</p>}
    {cli === undefined ? null : <CliLine line={cli} />}
  </div>
);

/** Boxes of a page, cards with a number, and facts in a row. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import { Ghost } from "./ghost.tsx";

export interface PanelProps {
  readonly title: string;
  readonly children: ReactNode;
  /** The page with more of it. */
  readonly more?: { readonly href: string; readonly title: string };
}

export const Panel = ({ title, children, more }: PanelProps) => (
  <section className="panel" aria-label={title}>
    <h2>
      {title}
      {more === undefined ? null : (
        <Link className="link end" href={more.href}>
          {more.title}
        </Link>
      )}
    </h2>
    {children}
  </section>
);

export interface CardProps {
  readonly title: string;
  /** Undefined: not known yet. */
  readonly value: ReactNode | undefined;
  readonly detail?: ReactNode;
  /** The list behind the number. */
  readonly href: string;
}

export const Card = ({ title, value, detail, href }: CardProps) => (
  <Link className="card" href={href}>
    <div className="k">{title}</div>
    <div className="v">{value ?? <Ghost width={4} />}</div>
    <div className="d">{detail}</div>
  </Link>
);

/** Facts that are not known are left out. */
export const Facts = ({ of }: { readonly of: readonly (readonly [string, ReactNode])[] }) => (
  <div className="facts">
    {of
      .filter(([, value]) => value !== undefined && value !== null && value !== false)
      .map(([name, value]) => (
        <span key={name}>
          {name} <b>{value}</b>
        </span>
      ))}
  </div>
);

/** What is copied by a click: ids, commands, texts. */
import { useEffect, useState } from "react";
import { Icon } from "./icon.tsx";

const SAID_MS = 1_500;

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), SAID_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  return (
    <button
      type="button"
      className="copy"
      title={isCopied ? "Copied" : `Copy ${what}`}
      aria-label={isCopied ? "Copied" : `Copy ${what}`}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
    >
      <Icon name={isCopied ? "check" : "copy"} size={13} />
    </button>
  );
}

const [ID_START, ID_END, ID_MAX] = [12, 8, 24];

/** Long ids differ at their ends. */
const shortId = (id: string): string => (id.length <= ID_MAX ? id : `${id.slice(0, ID_START)}…${id.slice(-ID_END)}`);

/** An id, shortened in the middle, copied whole. */
export const Id = ({ id, what = "the id" }: { readonly id: string; readonly what?: string }) => (
  <span className="id">
    <code title={id}>{shortId(id)}</code>
    <CopyButton text={id} what={what} />
  </span>
);

/** A longer command, with many ids, is copied whole and shown in part. */
const LINE_SHOWN_MAX = 600;

/** A command that does the same in a terminal. */
export const CliLine = ({ line }: { readonly line: string }) => (
  <div className="cli">
    <code>{line.length > LINE_SHOWN_MAX ? `${line.slice(0, LINE_SHOWN_MAX)} … (copy it whole)` : line}</code>
    <CopyButton text={line} what="the command" />
  </div>
);

/** One word of a command line, quoted if a shell would read more into it. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;

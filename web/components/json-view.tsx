/** Values as JSON, in colours that a screen reader does not need. */
import { Fragment, type ReactNode } from "react";
import { CopyButton } from "./copy.tsx";

/** Indented. Empty for undefined, which JSON does not have. */
export const jsonText = (value: unknown): string => (value === undefined ? "" : JSON.stringify(value, undefined, 2));

/** A token of JSON text: a key, a string, or a number, true, false, null. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\btrue\b|\bfalse\b|\bnull\b/g;
/** Larger texts are shown without colours, which take longer than the text. */
const COLOURED_MAX_LENGTH = 100_000;

export function JsonView({ value, what }: { readonly value: unknown; readonly what: string }) {
  const text = jsonText(value);
  return (
    <div className="stack">
      <div className="row">
        <CopyButton text={text} what={what} />
      </div>
      {/* Scrollable, so it takes the focus. */}
      <pre className="code" tabIndex={0} aria-label={what}>
        {text.length > COLOURED_MAX_LENGTH ? text : coloured(text)}
      </pre>
    </div>
  );
}

function coloured(text: string): ReactNode {
  const parts: ReactNode[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [whole, quoted, colon = ""] = match;
    parts.push(text.slice(end, match.index));
    const kind = quoted === undefined ? "json-other" : colon === "" ? "json-string" : "json-key";
    parts.push(<span className={kind}>{quoted ?? whole}</span>, colon);
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts.map((part, index) => <Fragment key={index}>{part}</Fragment>);
}

/** Parameters as JSON text: the field, what is wrong with it, and its state in a dialog. */
import { useId, useState } from "react";

export interface JsonFieldProps {
  readonly label: string;
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly problem: string | undefined;
  readonly about?: string;
  readonly rows: number;
}

export function JsonField({ label, text, onText, problem, about, rows }: JsonFieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {about === undefined ? null : <span className="muted small">{about}</span>}
      <textarea
        id={id}
        className="input"
        rows={rows}
        spellCheck={false}
        value={text}
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-problem`}
        onChange={({ target }) => onText(target.value)}
      />
      <span id={`${id}-problem`} className="small problem" role="status">
        {problem ?? "\u00a0"}
      </span>
    </div>
  );
}

export interface JsonInput {
  readonly text: string;
  readonly onText: (text: string) => void;
  /** Undefined while the text is empty or wrong. */
  readonly value: unknown;
  readonly problem: string | undefined;
  /** For a command line; `@file` while there is nothing to show. */
  readonly word: string;
}

export function useJsonInput(): JsonInput {
  const [text, onText] = useState("");
  const { value, problem } = parseJson(text);
  const word = problem === undefined && text.trim() !== "" ? JSON.stringify(value) : "@file";
  return { text, onText, value, problem, word };
}

/** Empty text is no value. */
export function parseJson(text: string): { readonly value?: unknown; readonly problem?: string } {
  if (text.trim() === "") return {};
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { problem: `This is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

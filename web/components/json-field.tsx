/** A field for parameters as JSON text, with what is wrong with it. */
import { useId, useState } from "react";

export interface JsonInput {
  readonly text: string;
  readonly setText: (text: string) => void;
  /** Undefined while the text is empty or wrong. */
  readonly value: unknown;
  readonly problem: string | undefined;
  /** For a command line; `@file` while there is nothing to show. */
  readonly word: string;
}

export function useJsonInput(): JsonInput {
  const [text, setText] = useState("");
  const { value, problem } = parseJson(text);
  const word = problem === undefined && text.trim() !== "" ? JSON.stringify(value) : "@file";
  return { text, setText, value, problem, word };
}

export interface JsonFieldProps {
  readonly label: string;
  readonly input: JsonInput;
  readonly rows: number;
}

export function JsonField({ label, input: { text, setText, problem }, rows }: JsonFieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        className="input"
        rows={rows}
        spellCheck={false}
        value={text}
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-problem`}
        onChange={(event) => setText(event.target.value)}
      />
      <span id={`${id}-problem`} className="small" role="status" data-s="failed">
        {problem ?? "\u00a0"}
      </span>
    </div>
  );
}

function parseJson(text: string): { readonly value?: unknown; readonly problem?: string } {
  if (text.trim() === "") return {};
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { problem: `This is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** A field of a filter bar. Its value is taken over by Enter, or when the field is left. */
import { useEffect, useId, useState } from "react";

export interface FilterFieldProps {
  readonly label: string;
  readonly value: string | undefined;
  readonly onChange: (value: string | undefined) => void;
  /** Values to choose from; others can be typed. */
  readonly choices?: readonly string[];
  readonly width?: number;
}

export function FilterField({ label, value = "", onChange, choices = [], width = 150 }: FilterFieldProps) {
  const [text, setText] = useState(value);
  const id = useId();
  useEffect(() => setText(value), [value]);
  const take = (now: string): void => {
    const wanted = now.trim();
    if (wanted !== value) onChange(wanted === "" ? undefined : wanted);
  };
  return (
    <>
      <input
        className="input"
        style={{ width }}
        type="search"
        aria-label={label}
        placeholder={label}
        list={choices.length === 0 ? undefined : id}
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          // A value from the list, or the field's own cross.
          if (target.value === "" || choices.includes(target.value)) take(target.value);
        }}
        onBlur={() => take(text)}
        onKeyDown={({ key }) => (key === "Enter" ? take(text) : undefined)}
      />
      {choices.length === 0 ? null : (
        <datalist id={id}>
          {choices.map((choice) => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      )}
    </>
  );
}

export interface ChipProps {
  readonly label: string;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}

export const Chip = ({ label, isChosen, onChoose }: ChipProps) => (
  <button type="button" className="chip" aria-pressed={isChosen} onClick={onChoose}>
    {label}
  </button>
);

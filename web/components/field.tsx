/** Fields of forms: a label, a control, what it is about, and what is wrong with it. */
import { useId, type ReactNode } from "react";

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

export interface TextFieldProps extends FieldProps {
  readonly placeholder?: string | undefined;
  readonly problem?: string | undefined;
  readonly type?: string;
  readonly about?: string;
  /** Values to choose from; others can be typed. */
  readonly choices?: readonly string[];
}

export function TextField({ label, value, onChange, type = "text", choices = [], ...texts }: TextFieldProps) {
  const { placeholder, problem, about } = texts;
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className="input"
        type={type}
        value={value}
        placeholder={placeholder}
        list={choices.length === 0 ? undefined : `${id}-choices`}
        autoComplete="off"
        spellCheck={false}
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-about ${id}-says`}
        onChange={({ target }) => onChange(target.value)}
      />
      {choices.length === 0 ? null : (
        <datalist id={`${id}-choices`}>
          {choices.map((choice) => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      )}
      <span id={`${id}-about`} className="muted small">
        {about}
      </span>
      <span id={`${id}-says`} className="small problem">
        {problem}
      </span>
    </div>
  );
}

/** `children`: options. */
export function SelectField({ label, value, onChange, children }: FieldProps & { readonly children: ReactNode }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} className="input" value={value} onChange={({ target }) => onChange(target.value)}>
        {children}
      </select>
    </div>
  );
}

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
}

export function TextField({ label, value, onChange, placeholder, problem, type = "text", about }: TextFieldProps) {
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
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-about ${id}-says`}
        onChange={({ target }) => onChange(target.value)}
      />
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

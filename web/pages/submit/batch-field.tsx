/** Chooses the batch of what is submitted. A new one can name its pool. */
import type { BatchChoice } from "../../data/submit.ts";
import { shellWord } from "../../components/copy.tsx";
import { SelectField, TextField } from "../../components/field.tsx";

export interface BatchFieldProps {
  readonly choice: BatchChoice;
  readonly onChange: (choice: BatchChoice) => void;
}

export function BatchField({ choice, onChange }: BatchFieldProps) {
  const choose = (kind: string): void => {
    if (kind === "new") onChange({ kind: "new", batchName: "", pool: "" });
    else onChange(kind === "existing" ? { kind: "existing", batchId: "" } : { kind: "day" });
  };
  return (
    <div className="pair">
      <SelectField label="Batch" value={choice.kind} onChange={choose}>
        <option value="day">the batch of the day</option>
        <option value="new">a new batch</option>
        <option value="existing">an open batch</option>
      </SelectField>
      {choice.kind === "existing" ? (
        <TextField label="Its id" value={choice.batchId} onChange={(batchId) => onChange({ ...choice, batchId })} />
      ) : null}
      {choice.kind === "new" ? (
        <>
          <TextField
            label="Its name"
            value={choice.batchName}
            onChange={(batchName) => onChange({ ...choice, batchName })}
          />
          <TextField
            label="Pool of workers"
            value={choice.pool}
            placeholder="default"
            onChange={(pool) => onChange({ ...choice, pool })}
          />
        </>
      ) : null}
    </div>
  );
}

/** Why nothing can be sent yet. */
export function batchProblem(choice: BatchChoice): string | undefined {
  if (choice.kind === "existing" && choice.batchId === "") return "Give the id of the batch.";
  return choice.kind === "new" && choice.batchName === "" ? "Give the new batch a name." : undefined;
}

/** Words of a command line. */
export function batchWords(choice: BatchChoice, tenantName: string): readonly string[] {
  if (choice.kind === "day") return [];
  if (choice.kind === "existing") return ["--batch", shellWord(choice.batchId)];
  const name = shellWord(choice.batchName);
  if (choice.pool === "") return ["--new-batch", name];
  const create = `jobyard batches --tenant ${shellWord(tenantName)} --create ${name} --pool ${shellWord(choice.pool)}`;
  return ["--batch", `"$(${create})"`];
}

/** One job: its parameters as a form or as JSON, and how it is to run. */
import { useState } from "react";
import { useLocation } from "wouter";
import { ActionButton } from "../../components/action-button.tsx";
import { jobHref } from "../../components/address.ts";
import { CliLine, shellWord } from "../../components/copy.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { Chip } from "../../components/filter-field.tsx";
import { JsonField, parseJson } from "../../components/json-field.tsx";
import { jsonText } from "../../components/json-view.tsx";
import { useToast } from "../../components/toast.tsx";
import { useSubmit, type BatchChoice } from "../../data/submit.ts";
import { PRIORITIES, type Priority } from "../../../runtime/core/job/priority.ts";
import { isJobServiceError, type SubmitJobBody } from "../../../runtime/client/index.ts";
import { BatchField, batchProblem, batchWords } from "./batch-field.tsx";
import type { LineTarget } from "./lines.ts";
import { hasFields, isObject, problemAt, SchemaFields } from "./schema-fields.tsx";

export interface SubmitProps {
  readonly target: LineTarget;
  readonly refused: string | undefined;
}

interface Options {
  readonly jobName: string;
  readonly clientJobId: string;
  readonly priority: Priority | "";
  /** Local time, as the browser's field gives it. */
  readonly runAt: string;
  /** Separated by spaces. */
  readonly tags: string;
  readonly idempotencyKey: string;
}

const NO_OPTIONS: Options = { jobName: "", clientJobId: "", priority: "", runAt: "", tags: "", idempotencyKey: "" };

export function OneJob({ target, refused }: SubmitProps) {
  const { tenantName, jobType, schema } = target;
  const submit = useSubmit(tenantName);
  const toast = useToast();
  const [, navigate] = useLocation();
  const [value, setValue] = useState<unknown>();
  const [isForm, setForm] = useState(hasFields(schema));
  const [broken, setBroken] = useState<ReadonlySet<string>>(new Set());
  const [options, setOptions] = useState(NO_OPTIONS);
  const [batch, setBatch] = useState<BatchChoice>({ kind: "day" });
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const problems = isJobServiceError(error) ? error.details : [];
  const set = (more: Partial<Options>): void => setOptions((before) => ({ ...before, ...more }));
  // A form that was left empty is an empty object.
  const parameters = value === undefined && isForm ? {} : value;
  const job = jobOf(target, options, parameters);
  const blocked = broken.size > 0 ? "A field holds what is not JSON." : batchProblem(batch);
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const jobId = await submit.one(job, batch, options.idempotencyKey || undefined);
      toast.show({ kind: "good", text: "The job is submitted." });
      navigate(jobHref(jobId));
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  };
  const mark = (path: string, isBroken: boolean): void =>
    setBroken((before) => {
      const after = new Set(before);
      if (isBroken) after.add(path);
      else after.delete(path);
      return after;
    });
  return (
    <form
      className="form"
      aria-label="One job"
      onSubmit={(event) => {
        event.preventDefault();
        if ((refused ?? blocked) === undefined && !isBusy) void send();
      }}
    >
      <div className="row">
        <b>Parameters</b>
        {hasFields(schema) ? (
          <span className="row end" role="group" aria-label="How parameters are written">
            <Chip label="Form" isChosen={isForm} onChoose={() => setForm(isForm || broken.size === 0)} />
            <Chip label="JSON" isChosen={!isForm} onChoose={() => setForm(isForm && broken.size > 0)} />
          </span>
        ) : null}
      </div>
      {isForm && hasFields(schema) ? (
        <SchemaFields
          root={schema}
          schema={schema}
          path="parameters"
          value={isObject(value) ? value : {}}
          problems={problems}
          onChange={setValue}
          onBroken={mark}
        />
      ) : (
        <AsJson
          value={value}
          problem={problemAt(problems, "parameters")}
          hasSchema={schema !== undefined}
          onChange={setValue}
          onBroken={(isBroken) => mark("parameters", isBroken)}
        />
      )}
      <div className="pair">
        <TextField
          label="Name"
          value={options.jobName}
          placeholder={jobType}
          problem={problemAt(problems, "jobName")}
          onChange={(jobName) => set({ jobName })}
        />
        <SelectField
          label="Priority"
          value={options.priority}
          onChange={(priority) => set({ priority: PRIORITIES.find((one) => one === priority) ?? "" })}
        >
          <option value="">of its batch</option>
          {PRIORITIES.map((priority) => (
            <option key={priority}>{priority}</option>
          ))}
        </SelectField>
      </div>
      <BatchField choice={batch} onChange={setBatch} />
      <div className="pair">
        <TextField
          label="Run at"
          type="datetime-local"
          value={options.runAt}
          about={job.runAt === undefined ? "At once." : `Not before ${job.runAt}.`}
          problem={problemAt(problems, "runAt")}
          onChange={(runAt) => set({ runAt })}
        />
        <TextField
          label="Tags"
          value={options.tags}
          placeholder="nightly customer:4711"
          about="Separated by spaces, at most 10."
          problem={problemAt(problems, "tags")}
          onChange={(tags) => set({ tags })}
        />
        <TextField
          label="Your own id"
          value={options.clientJobId}
          about="Unique in the tenant. Submitted again, the first job is answered."
          problem={problemAt(problems, "clientJobId")}
          onChange={(clientJobId) => set({ clientJobId })}
        />
        <TextField
          label="Idempotency key"
          value={options.idempotencyKey}
          about="The same key and job give the same id for seven days."
          problem={problemAt(problems, "idempotency-key")}
          onChange={(idempotencyKey) => set({ idempotencyKey })}
        />
      </div>
      {error === undefined ? null : (
        <ErrorNote
          error={error}
          what={
            submit.isUnknown()
              ? "It is not known whether it was submitted. Submit it again: it does not run twice."
              : "Nothing was submitted."
          }
        />
      )}
      <CliLine line={lineOf(target, options, batch, job)} />
      <div className="row">
        <ActionButton kind="primary" refused={refused ?? blocked} isBusy={isBusy} onPress={() => void send()}>
          Submit
        </ActionButton>
      </div>
    </form>
  );
}

function jobOf({ tenantName, jobType, jobProcessorPackageName }: LineTarget, options: Options, parameters: unknown) {
  const { jobName, clientJobId, priority, runAt, tags } = options;
  const at = Date.parse(runAt);
  return {
    ...{ tenantName, jobType, jobProcessorPackageName, jobName: jobName === "" ? jobType : jobName },
    ...(parameters !== undefined && { parameters }),
    ...(clientJobId !== "" && { clientJobId }),
    ...(priority !== "" && { priority }),
    ...(!Number.isNaN(at) && { runAt: new Date(at).toISOString() }),
    ...(tags.trim() !== "" && { tags: tags.trim().split(/\s+/) }),
  } satisfies SubmitJobBody;
}

function lineOf(
  { tenantName }: LineTarget,
  options: Options,
  batch: BatchChoice,
  job: ReturnType<typeof jobOf>,
): string {
  const flags: readonly (readonly [flag: string, value: string | undefined])[] = [
    ["--type", job.jobType],
    ["--package", job.jobProcessorPackageName],
    ["--tenant", tenantName],
    ["--name", options.jobName || undefined],
    ["--parameters", job.parameters === undefined ? undefined : JSON.stringify(job.parameters)],
    ["--priority", job.priority],
    ["--at", job.runAt],
    ["--id", job.clientJobId],
  ];
  const words = flags.flatMap(([flag, value]) => (value === undefined ? [] : [flag, shellWord(value)]));
  const tags = job.tags === undefined ? [] : ["--tag", ...job.tags.map(shellWord)];
  return ["jobyard", "submit", ...words, ...batchWords(batch, tenantName), ...tags].join(" ");
}

interface AsJsonProps {
  readonly value: unknown;
  readonly problem: string | undefined;
  readonly hasSchema: boolean;
  readonly onChange: (value: unknown) => void;
  readonly onBroken: (isBroken: boolean) => void;
}

function AsJson({ value, problem, hasSchema, onChange, onBroken }: AsJsonProps) {
  const [text, setText] = useState(() => jsonText(value));
  const read = parseJson(text);
  const take = (now: string): void => {
    setText(now);
    const { value: given, problem: wrong } = parseJson(now);
    onBroken(wrong !== undefined);
    // What is no JSON yet leaves the value as it was.
    if (wrong === undefined) onChange(given);
  };
  return (
    <JsonField
      label="Parameters, as JSON"
      about={hasSchema ? "Judged by the type's schema." : "Any JSON. This type declares no schema."}
      text={text}
      onText={take}
      problem={read.problem ?? problem}
      rows={10}
    />
  );
}

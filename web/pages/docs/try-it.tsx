/** Sends a request of the operation as the signed-in user. What may change something asks first. */
import { useEffect, useRef, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { ActionButton } from "../../components/action-button.tsx";
import { DialogButton } from "../../components/action-dialog.tsx";
import { CliLine, Id } from "../../components/copy.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { bytesText } from "../../components/time-text.ts";
import type { Operation, Parameter } from "../../data/reference.ts";
import { useAccess, useClient, useTenant } from "../../data/session.ts";
import {
  bodyTextOf,
  cliOf,
  curlOf,
  draftOf,
  isBytes,
  problemOf,
  requestOf,
  tenantOf,
  textOf,
  type Draft,
} from "./request.ts";

/** More of an answer is not shown. */
const SHOWN_MAX_LENGTH = 256 * 1024;
const TEXT_TYPE = /^(?:text\/|application\/(?:json|x-ndjson))/;

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly requestId: string | undefined;
  readonly tookMs: number;
  /** Undefined: bytes, which are not read. */
  readonly text: string | undefined;
  readonly isCut: boolean;
}

export function TryIt({ operation }: { readonly operation: Operation }) {
  const tenant = useTenant();
  const client = useClient();
  const queries = useQueryClient();
  const [draft, setDraft] = useState(() => draftOf(operation, tenant));
  const [answer, setAnswer] = useState<Answered>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const sending = useRef<AbortController>(undefined);
  useEffect(() => () => sending.current?.abort(), []);
  const isOpen = operation.needs === "anonymous" || operation.needs === "signed-in";
  const { reason } = useAccess(operation.needs, tenantOf(draft) ?? tenant);
  const refused = (isOpen ? undefined : reason) ?? problemOf(operation, draft);

  const send = async (): Promise<number> => {
    const controller = new AbortController();
    sending.current = controller;
    setAnswer(undefined);
    setError(undefined);
    setBusy(true);
    try {
      const begun = performance.now();
      const response = await client.call(requestOf(operation, draft, controller.signal));
      const facts = {
        status: response.status,
        type: response.headers.get("content-type")?.split(";")[0] ?? "",
        requestId: response.headers.get("x-request-id") ?? undefined,
        tookMs: Math.round(performance.now() - begun),
      };
      await show(response, controller, (text, isCut) => setAnswer({ ...facts, text, isCut }));
      return response.status;
    } finally {
      setBusy(false);
      // Other pages show what this may have changed.
      if (operation.method !== "GET") void queries.invalidateQueries();
    }
  };
  const cli = cliOf(operation, draft);
  const curl = curlOf(operation, draft, location.origin);
  return (
    <div className="stack">
      <Form operation={operation} draft={draft} onChange={setDraft} />
      <CliLine line={curl} />
      {cli === undefined ? null : <CliLine line={cli} />}
      <div className="row">
        {operation.method === "GET" ? (
          <ActionButton kind="primary" refused={refused} isBusy={isBusy} onPress={() => void send().catch(setError)}>
            Send
          </ActionButton>
        ) : (
          <DialogButton
            verb="Send"
            kind={operation.method === "DELETE" ? "danger" : "primary"}
            isDangerous={operation.method === "DELETE"}
            cli={cli ?? curl}
            refused={refused}
            action={async () => `The API answered ${await send()}.`}
          >
            {`${operation.summary.replaceAll("`", "")}: this is done at once, as you, in the system of this page.`}
          </DialogButton>
        )}
        {isBusy ? (
          <button type="button" className="btn" onClick={() => sending.current?.abort()}>
            Stop
          </button>
        ) : null}
        {refused === undefined ? null : <span className="muted small">{refused}</span>}
      </div>
      {error === undefined || isStopped(error) ? null : <ErrorNote error={error} what="The API refused it." />}
      <AnswerView answer={answer} />
    </div>
  );
}

const isStopped = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

/** Shows a text as it comes, for as long as it comes: a followed log, a stream of events. */
async function show(
  response: Response,
  controller: AbortController,
  onText: (text: string | undefined, isCut: boolean) => void,
): Promise<void> {
  if (!TEXT_TYPE.test(response.headers.get("content-type") ?? "")) {
    onText(undefined, false);
    await response.body?.cancel();
    return;
  }
  onText("", false);
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    text += decoder.decode(value, { stream: !done });
    const isCut = text.length > SHOWN_MAX_LENGTH;
    onText(text.slice(0, SHOWN_MAX_LENGTH), isCut);
    if (isCut) controller.abort();
    if (isCut || done) return;
  }
}

interface FormProps {
  readonly operation: Operation;
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
}

function Form({ operation, draft, onChange }: FormProps) {
  const tenant = useTenant();
  const { parameters, bodies } = operation;
  const { values, mediaType, body } = draft;
  return (
    <div className="form">
      <div className="pair">
        {parameters.map((parameter) => (
          <ParameterField
            key={parameter.name}
            parameter={parameter}
            value={values[parameter.name] ?? ""}
            onChange={(value) => onChange({ ...draft, values: { ...values, [parameter.name]: value } })}
          />
        ))}
      </div>
      {bodies.length < 2 ? null : (
        <SelectField
          label="Media type of the body"
          value={mediaType ?? ""}
          onChange={(type) => onChange({ ...draft, mediaType: type, body: bodyTextOf(operation, type, tenant) })}
        >
          {bodies.map(({ mediaType: type }) => (
            <option key={type}>{type}</option>
          ))}
        </SelectField>
      )}
      {mediaType === undefined ? null : isBytes(mediaType) ? (
        <label className="field">
          <span>The file, {mediaType}</span>
          <input
            className="input"
            type="file"
            onChange={({ target }) => onChange({ ...draft, file: target.files?.[0] ?? undefined })}
          />
        </label>
      ) : (
        <label className="field">
          <span>Body, {mediaType}</span>
          <textarea
            className="input"
            rows={Math.min(16, body.split("\n").length + 1)}
            spellCheck={false}
            value={body}
            onChange={({ target }) => onChange({ ...draft, body: target.value })}
          />
        </label>
      )}
    </div>
  );
}

interface ParameterFieldProps {
  readonly parameter: Parameter;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function ParameterField({ parameter, value, onChange }: ParameterFieldProps) {
  const { name, description, required = false, schema } = parameter;
  const example = parameter.example ?? schema.examples?.[0];
  const label = required ? name : `${name} (optional)`;
  if (schema.enum === undefined)
    return (
      <TextField
        label={label}
        value={value}
        onChange={onChange}
        placeholder={textOf(example)}
        {...(description !== undefined && { about: description })}
      />
    );
  return (
    <SelectField label={label} value={value} onChange={onChange}>
      <option value="">{required ? "Choose…" : "Not given"}</option>
      {schema.enum.map((one) => (
        <option key={String(one)}>{String(one)}</option>
      ))}
    </SelectField>
  );
}

function AnswerView({ answer }: { readonly answer: Answered | undefined }) {
  const { status, type, requestId, tookMs, text, isCut } = answer ?? {};
  return (
    <>
      {/* There before the answer is, so that a screen reader says it. */}
      <p role="status" aria-label="Answer">
        {status === undefined ? null : (
          <>
            <b>{status}</b>{" "}
            <span className="muted">
              after {tookMs} ms{type === "" ? "" : `, ${type}`}
            </span>
          </>
        )}
      </p>
      {requestId === undefined ? null : (
        <p className="muted">
          Request <Id id={requestId} what="the request's id" />
        </p>
      )}
      {text === undefined || type === undefined ? null : <AnswerText text={text} type={type} />}
      {text === undefined && type !== undefined && type !== "" ? (
        <p className="muted">A file, which is not shown here. The commands above save it.</p>
      ) : null}
      {isCut === true ? <p className="muted">Only the first {bytesText(SHOWN_MAX_LENGTH)} are shown.</p> : null}
    </>
  );
}

function AnswerText({ text, type }: { readonly text: string; readonly type: string }) {
  const value = type === "application/json" ? parsed(text) : undefined;
  if (value !== undefined) return <JsonView value={value} what="The answer" />;
  return text === "" ? null : (
    <pre className="code" tabIndex={0} aria-label="The answer">
      {text}
    </pre>
  );
}

/** Undefined while a part is missing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Many jobs, pasted or dropped as CSV or lines of JSON. All are judged before the first is sent. */
import { useEffect, useRef, useState, type DragEvent } from "react";
import { Link } from "wouter";
import { ActionButton } from "../../components/action-button.tsx";
import { batchHref, href } from "../../components/address.ts";
import { CliLine, CopyButton, shellWord } from "../../components/copy.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { Panel } from "../../components/panel.tsx";
import { bytesText, counted, numberText } from "../../components/time-text.ts";
import { useSubmit, type BatchChoice, type ManySubmitted } from "../../data/submit.ts";
import { newKey } from "../../../runtime/client/with-retries.ts";
import { BatchField, batchProblem, batchWords } from "./batch-field.tsx";
import { readLines, type LineProblem, type ReadLines } from "./lines.ts";
import type { SubmitProps } from "./one-job.tsx";

/** After the last key. */
const READ_AFTER_MS = 300;
/** Errors that are listed. */
const PROBLEMS_SHOWN_MAX = 200;
/** The page keeps the whole file and its jobs in memory. The command line reads a larger one line by line. */
const FILE_MAX_BYTES = 32 * 1024 * 1024;

interface Given {
  readonly text: string;
  /** Of a file, whose text is not shown. */
  readonly name?: string;
  /** One for each text, so that a try after a break submits nothing twice. */
  readonly key: string;
}

const given = (text: string, name?: string): Given => ({
  text,
  key: newKey(),
  ...(name !== undefined && { name }),
});

export function ManyJobs({ target, refused }: SubmitProps) {
  const submit = useSubmit(target.tenantName);
  const [source, setSource] = useState(() => given(""));
  const [read, setRead] = useState<ReadLines>();
  const [leavesOut, setLeavesOut] = useState(false);
  const [batch, setBatch] = useState<BatchChoice>({ kind: "day" });
  const [result, setResult] = useState<ManySubmitted>();
  const [error, setError] = useState<unknown>();
  const [isOver, setOver] = useState(false);
  const sending = useRef<AbortController>(undefined);
  const [isBusy, setBusy] = useState(false);

  useEffect(() => {
    setRead(undefined);
    const timer = setTimeout(() => {
      if (source.text.trim() !== "") setRead(readLines(source.text, target));
    }, READ_AFTER_MS);
    return () => clearTimeout(timer);
  }, [source, target.tenantName, target.jobType, target.jobProcessorPackageName, target.schema]);
  useEffect(() => () => sending.current?.abort(), []);

  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    setResult(undefined);
    setError(undefined);
    if (file.size > FILE_MAX_BYTES) {
      setError(
        new Error(
          `${file.name} has ${bytesText(file.size)}; this page reads at most ${bytesText(FILE_MAX_BYTES)}. Use the command line.`,
        ),
      );
      return;
    }
    setSource(given(await file.text(), file.name));
  };
  const send = async (): Promise<void> => {
    if (read === undefined) return;
    sending.current = new AbortController();
    setBusy(true);
    setError(undefined);
    setResult({ submitted: 0, refused: [], batchId: undefined });
    try {
      const { signal } = sending.current;
      const jobs = read.jobs.map(({ job }) => job);
      setResult(await submit.many(jobs, batch, { idempotencyKey: source.key, signal, onProgress: setResult }));
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  const isDone = result !== undefined && !isBusy && error === undefined;
  const blocked = isDone
    ? "These jobs are submitted. Change the text to submit more."
    : (problemOf(read, source.text, leavesOut) ?? batchProblem(batch));
  const count = read?.jobs.length ?? 0;
  return (
    <div className="form">
      <div
        className="field drop"
        data-over={isOver || undefined}
        onDragOver={(event: DragEvent) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event: DragEvent) => {
          event.preventDefault();
          setOver(false);
          void take(event.dataTransfer.files[0]);
        }}
      >
        <label htmlFor="many-text">CSV or lines of JSON</label>
        {source.name === undefined ? (
          <textarea
            id="many-text"
            className="input"
            rows={10}
            spellCheck={false}
            aria-describedby="many-about"
            placeholder={placeholderOf(target.schema)}
            value={source.text}
            onChange={(event) => {
              setResult(undefined);
              setSource(given(event.target.value));
            }}
          />
        ) : (
          <div className="note">
            <b>{source.name}</b>
            <span>{bytesText(source.text.length)}</span>
            <button type="button" className="btn quiet" onClick={() => setSource(given(""))}>
              Remove
            </button>
          </div>
        )}
        <p id="many-about" className="muted small">
          CSV: the first line names the parameters; <code>jobName</code>, <code>clientJobId</code>,{" "}
          <code>priority</code>, <code>runAt</code> and <code>tags</code> are the job&apos;s own. Lines of JSON: one job
          each, as <code>jobyard submit --lines</code> reads them; what they leave out is as chosen above.
        </p>
        <div className="row">
          <label className="btn">
            Choose a file
            <input
              type="file"
              className="hidden"
              accept=".csv,.tsv,.ndjson,.jsonl,.txt"
              onChange={(event) => {
                void take(event.target.files?.[0]);
                event.target.value = "";
              }}
            />
          </label>
          <span className="muted small">or drop it here</span>
        </div>
      </div>
      {read === undefined ? null : (
        <p role="status">
          {read.format}: <b>{counted(count, "job")}</b>
          {read.problems.length === 0
            ? ", no errors found"
            : `, ${counted(linesOf(read.problems), "line")} with errors`}
        </p>
      )}
      {read === undefined || read.problems.length === 0 ? null : (
        <>
          <Problems title="Errors by line" problems={read.problems} />
          {count === 0 ? null : (
            <label className="row">
              <input type="checkbox" checked={leavesOut} onChange={(event) => setLeavesOut(event.target.checked)} />
              Leave out the lines with errors
            </label>
          )}
        </>
      )}
      <BatchField choice={batch} onChange={setBatch} />
      <CliLine
        line={[
          "jobyard submit --lines",
          source.name?.endsWith("json") ? source.name : "jobs.ndjson",
          "--tenant",
          shellWord(target.tenantName),
          ...batchWords(batch, target.tenantName),
        ].join(" ")}
      />
      {read === undefined || count === 0 ? null : (
        <div className="row muted small">
          The lines for that file
          <CopyButton
            text={read.jobs.map(({ job }) => JSON.stringify(job)).join("\n")}
            what="the jobs as lines of JSON"
          />
        </div>
      )}
      {error === undefined ? null : (
        <ErrorNote
          error={error}
          what={
            result === undefined
              ? "This cannot be read."
              : `Stopped after ${counted(result.submitted, "job")}. Submit again to go on; nothing is submitted twice.`
          }
        />
      )}
      <div className="row">
        <ActionButton kind="primary" refused={refused ?? blocked} isBusy={isBusy} onPress={() => void send()}>
          {count === 0 ? "Submit" : `Submit ${counted(count, "job")}`}
        </ActionButton>
        {isBusy ? (
          <button type="button" className="btn" onClick={() => sending.current?.abort()}>
            Stop
          </button>
        ) : null}
        {result === undefined ? null : (
          <span role="status">
            {numberText(result.submitted)} of {numberText(count)} submitted
            {result.refused.length === 0 ? "" : `, ${numberText(result.refused.length)} refused`}
          </span>
        )}
        {result === undefined || isBusy || result.submitted === 0 ? null : (
          <Link
            className="link"
            href={
              result.batchId === undefined ? href("/jobs", { tenant: target.tenantName }) : batchHref(result.batchId)
            }
          >
            {result.batchId === undefined ? "See the jobs" : "See the batch"}
          </Link>
        )}
      </div>
      {result === undefined || result.refused.length === 0 ? null : (
        <Problems
          title="Refused by the service"
          problems={result.refused.map(({ index, code, message }) => ({
            line: read?.jobs[index]?.line ?? 0,
            message: `${message} (${code})`,
          }))}
        />
      )}
    </div>
  );
}

function problemOf(read: ReadLines | undefined, text: string, leavesOut: boolean): string | undefined {
  if (text.trim() === "") return "Paste or drop the jobs first.";
  if (read === undefined) return "The lines are still being read.";
  if (read.jobs.length === 0) return "No line holds a job without errors.";
  return read.problems.length > 0 && !leavesOut ? "Put the errors right, or leave out their lines." : undefined;
}

const linesOf = (problems: readonly LineProblem[]): number => new Set(problems.map(({ line }) => line)).size;

const Problems = ({ title, problems }: { readonly title: string; readonly problems: readonly LineProblem[] }) => (
  <Panel title={title}>
    <div className="lines">
      {problems.slice(0, PROBLEMS_SHOWN_MAX).map(({ line, message }, index) => (
        <div key={index}>
          <span className="muted num">line {numberText(line)}</span>
          <span className="x">{message}</span>
        </div>
      ))}
    </div>
    {problems.length <= PROBLEMS_SHOWN_MAX ? null : (
      <p className="muted">and {numberText(problems.length - PROBLEMS_SHOWN_MAX)} more</p>
    )}
  </Panel>
);

/** A first line of CSV for this type. */
function placeholderOf(schema: SubmitProps["target"]["schema"]): string {
  const names = Object.keys((schema?.["properties"] as object | undefined) ?? {});
  return ["jobName", ...names].join(",");
}

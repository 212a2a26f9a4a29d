/** The files that a job left, with previews of those that a browser can show without running anything in them. */
import { useEffect, useState, type ReactNode } from "react";
import { useQuery } from "@tanstack/react-query";
import { readCsv } from "../../components/csv.ts";
import { CliLine, shellWord } from "../../components/copy.tsx";
import { Empty } from "../../components/empty.tsx";
import { ErrorNote, ErrorText, Shown } from "../../components/error-note.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { useParam } from "../../components/address.ts";
import { JsonView } from "../../components/json-view.tsx";
import { useToast } from "../../components/toast.tsx";
import { bytesText, counted } from "../../components/time-text.ts";
import { useArtifacts } from "../../data/jobs.ts";
import { useClient } from "../../data/session.ts";
import type { ArtifactView, JobView, OpenedArtifact } from "../../../runtime/client/index.ts";
import { previewOf } from "./preview.ts";

/** Larger files are downloaded, not shown. */
const PREVIEW_MAX_BYTES = 5 * 1024 * 1024;
const ROWS_MAX = 200;

export function Artifacts({ job }: { readonly job: JobView }) {
  const { data, error, refetch } = useArtifacts(job.jobId, true);
  return (
    <Shown error={error} isRead={data !== undefined} what="The files cannot be listed." onRetry={() => void refetch()}>
      {data === undefined ? <Ghost width={24} /> : <Files job={job} artifacts={data} />}
    </Shown>
  );
}

function Files({ job, artifacts }: { readonly job: JobView; readonly artifacts: readonly ArtifactView[] }) {
  const { monitoring } = useClient();
  const [shown, setShown] = useParam("file");
  if (artifacts.length === 0)
    return (
      <Empty title="It left no files">What a job writes into its folder for artifacts is kept and listed here.</Empty>
    );
  const chosen = artifacts.find(({ path }) => path === shown);
  return (
    <div className="stack">
      <div className="panel">
        <div className="lines">
          {artifacts.map((artifact) => (
            <div key={artifact.path}>
              <span className="x cut mono" title={artifact.path}>
                {artifact.path}
              </span>
              <span className="muted">{bytesText(artifact.bytes)}</span>
              {previewOf(artifact.path) === undefined || artifact.bytes > PREVIEW_MAX_BYTES ? null : (
                <button
                  type="button"
                  className="btn"
                  aria-expanded={artifact.path === shown}
                  onClick={() => setShown(artifact.path === shown ? undefined : artifact.path)}
                >
                  {previewOf(artifact.path) === "pdf" ? "Open" : "Show"}
                </button>
              )}
              <Download
                name={artifact.path.slice(artifact.path.lastIndexOf("/") + 1)}
                open={() => monitoring.openArtifact(job.jobId, artifact.path)}
              >
                Download<span className="hidden"> {artifact.path}</span>
              </Download>
            </div>
          ))}
        </div>
      </div>
      {chosen === undefined ? null : <Preview key={chosen.path} jobId={job.jobId} artifact={chosen} />}
      <div className="row">
        <Download name={`${job.jobName}.zip`} open={() => monitoring.openArtifactsZip(job.jobId)}>
          Download all as one ZIP
        </Download>
        <span className="muted">
          {counted(artifacts.length, "file")}, {bytesText(artifacts.reduce((sum, { bytes }) => sum + bytes, 0))}
        </span>
      </div>
      <CliLine line={`jobyard artifacts download ${shellWord(job.jobId)} --zip`} />
    </div>
  );
}

interface OneArtifact {
  readonly jobId: string;
  readonly artifact: ArtifactView;
}

function useContent(jobId: string, path: string, type: string) {
  const client = useClient();
  return useQuery({
    queryKey: ["job", jobId, "artifact", path],
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      const { stream } = await client.monitoring.openArtifact(jobId, path, { signal });
      // The type is chosen here, so that no file is more than it is shown as.
      return new Blob([await new Response(stream).arrayBuffer()], { type });
    },
  });
}

const BLOB_TYPES = {
  image: "",
  pdf: "application/pdf",
  csv: "text/plain",
  json: "text/plain",
  text: "text/plain",
} as const;

function Preview({ jobId, artifact: { path } }: OneArtifact) {
  const kind = previewOf(path) ?? "text";
  const content = useContent(jobId, path, kind === "image" ? imageType(path) : BLOB_TYPES[kind]);
  const text = useQuery({
    queryKey: ["job", jobId, "artifact-text", path],
    enabled: content.data !== undefined && kind !== "image" && kind !== "pdf",
    queryFn: async () => content.data?.text() ?? "",
  });
  if (content.data === undefined)
    return content.error === null ? (
      <Ghost width={30} />
    ) : (
      <ErrorNote error={content.error} what={`${path} cannot be read.`} />
    );
  switch (kind) {
    case "image":
      return <BlobImage blob={content.data} name={path} />;
    case "pdf":
      return <BlobLink blob={content.data} name={path} />;
    case "json":
      return text.data === undefined ? <Ghost width={30} /> : <JsonText text={text.data} path={path} />;
    case "csv":
      return text.data === undefined ? <Ghost width={30} /> : <Sheet text={text.data} label={path} />;
    case "text":
      return (
        <pre className="code" tabIndex={0} aria-label={path}>
          {text.data}
        </pre>
      );
  }
}

const imageType = (path: string): string => {
  const ending = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
  return `image/${ending === "jpg" ? "jpeg" : ending}`;
};

function JsonText({ text, path }: { readonly text: string; readonly path: string }) {
  try {
    return <JsonView value={JSON.parse(text) as unknown} what={path} />;
  } catch {
    return (
      <pre className="code" tabIndex={0} aria-label={path}>
        {text}
      </pre>
    );
  }
}

function Sheet({ text, label }: { readonly text: string; readonly label: string }) {
  const rows = readCsv(text, ROWS_MAX + 1).rows.map(({ cells }) => cells);
  const [head = [], ...body] = rows.slice(0, ROWS_MAX);
  return (
    <div className="stack">
      <div className="sheet-table" tabIndex={0} role="region" aria-label={label}>
        <table>
          <thead>
            <tr>
              {head.map((cell, index) => (
                <th key={index} scope="col">
                  {cell}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {body.map((row, index) => (
              <tr key={index}>
                {row.map((cell, column) => (
                  <td key={column}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > ROWS_MAX ? <p className="muted small">The first {ROWS_MAX} rows.</p> : null}
    </div>
  );
}

function useBlobUrl(blob: Blob): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return url;
}

function BlobImage({ blob, name }: { readonly blob: Blob; readonly name: string }) {
  const url = useBlobUrl(blob);
  return url === undefined ? null : <img className="preview" src={url} alt={name} />;
}

function BlobLink({ blob, name }: { readonly blob: Blob; readonly name: string }) {
  const url = useBlobUrl(blob);
  return url === undefined ? null : (
    <a className="link" href={url} target="_blank" rel="noopener noreferrer">
      Open {name} in a new tab
    </a>
  );
}

interface DownloadProps {
  /** The name it is saved under. */
  readonly name: string;
  readonly open: () => Promise<OpenedArtifact>;
  readonly children: ReactNode;
}

/** A link cannot send a token, so the page fetches the file and gives it to the browser. */
function Download({ name, open, children }: DownloadProps) {
  const toast = useToast();
  const [isBusy, setBusy] = useState(false);
  const download = async (): Promise<void> => {
    setBusy(true);
    try {
      const { stream } = await open();
      const url = URL.createObjectURL(await new Response(stream).blob());
      const link = document.createElement("a");
      link.href = url;
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      toast.show({ kind: "bad", text: <ErrorText error={error} /> });
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" className="btn" aria-busy={isBusy} onClick={() => void download()}>
      {children}
    </button>
  );
}

/** Hears what a child reports about one job, and passes it on. The child is the job's, so nothing it says is trusted. */
import { OUTPUT_MAX_BYTES } from "../../core/limits.ts";
import type { EndReport, HostReport } from "./host/messages.ts";
import { splitLines } from "./captured-output.ts";
import { presentable } from "./progress.ts";
import { LOG_LINE_MAX_BYTES } from "./process-limits.ts";
import { type Ended, type RunListener, failed, succeeded } from "./run.ts";

export interface JobHearing {
  hear(report: HostReport): void;
  /** Passes on a last line without a line break. */
  flush(): void;
  readonly told: Promise<void>;
  /** What it told as its end; the first word counts. */
  end(): { readonly ended: Ended; readonly stopping: boolean } | undefined;
}

export function createJobHearing(listener: RunListener): JobHearing {
  const { promise: told, resolve: tell } = Promise.withResolvers<undefined>();
  const lines = {
    out: splitLines(LOG_LINE_MAX_BYTES, (line) => listener.line("out", line)),
    err: splitLines(LOG_LINE_MAX_BYTES, (line) => listener.line("err", line)),
  };
  let end: EndReport | undefined;

  function flush(): void {
    lines.out.end();
    lines.err.end();
  }

  return {
    hear(report) {
      switch (report.type) {
        case "ready":
        case "pong":
        case "retire":
        case "leaving":
          break;
        case "log":
          listener.line(report.source, report.text);
          break;
        case "print":
          listener.alive();
          lines[report.source].push(Buffer.from(report.text));
          break;
        case "progress": {
          const progress = presentable(report);
          if (progress !== undefined) listener.progress(progress);
          break;
        }
        case "returned":
        case "failed":
          if (end !== undefined) return;
          end = report;
          flush();
          tell(undefined);
      }
    },
    flush,
    told,
    end: () => (end === undefined ? undefined : { ended: endOf(end), stopping: end.stopping }),
  };
}

/** Its word about output is checked again. */
function endOf(report: EndReport): Ended {
  if (report.type === "failed") return failed(report.code, report.message, report.retryable);
  const { output } = report;
  if (output === undefined) return { kind: "succeeded", output };
  if (Buffer.byteLength(output) > OUTPUT_MAX_BYTES) {
    return failed("OutputTooLarge", `The output is larger than the ${OUTPUT_MAX_BYTES} bytes that are kept.`, false);
  }
  return succeeded(output, "The output");
}

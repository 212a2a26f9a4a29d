/** Checks what a child reports about one job, and passes it on. The job's code runs in the child, so no report is trusted. */
import { OUTPUT_MAX_BYTES } from "../../../core/limits.ts";
import type { EndReport, HostReport } from "../host/messages.ts";
import type { TokenAnswer } from "../../identity/token-broker.ts";
import { splitLines } from "../log/captured-output.ts";
import { presentable } from "../progress.ts";
import { LOG_LINE_MAX_BYTES } from "../process-limits.ts";
import { type Ended, type RunListener, failed, succeeded } from "../run.ts";

export interface JobReports {
  take(report: HostReport): void;
  /** Passes on a last line without a line break. */
  flush(): void;
  /** Resolves when the job has reported its end. */
  readonly ended: Promise<void>;
  /** How it ended. The first report counts. */
  end(): { readonly ended: Ended; readonly stopping: boolean } | undefined;
}

/** `answer` sends the answer to a request for a token back to the job. */
export function createJobReports(
  listener: RunListener,
  answer: (request: number, answer: TokenAnswer) => void,
): JobReports {
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<undefined>();
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
    take(report) {
      switch (report.type) {
        case "ready":
        case "pong":
        case "retire":
        case "leaving":
        case "files":
          break;
        case "log":
          listener.line(report.source, report.text);
          break;
        case "print":
          listener.alive();
          lines[report.source].push(Buffer.from(report.text));
          break;
        case "token":
          void listener.token(report.scopes).then((answered) => answer(report.request, answered));
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
          resolveEnded(undefined);
      }
    },
    flush,
    ended,
    end: () => (end === undefined ? undefined : { ended: endOf(end), stopping: end.stopping }),
  };
}

/** The output is checked again. */
function endOf(report: EndReport): Ended {
  if (report.type === "failed") {
    return failed(report.code, report.message, report.retryable, report.stack);
  }
  const { output } = report;
  if (output === undefined) return { kind: "succeeded", output };
  if (Buffer.byteLength(output) > OUTPUT_MAX_BYTES) {
    return failed("OutputTooLarge", `The output is larger than the ${OUTPUT_MAX_BYTES} bytes that are kept.`, false);
  }
  return succeeded(output, "The output");
}

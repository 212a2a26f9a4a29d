/** What a job's abort signal says about why it is to stop. */
import type { Stop } from "../run.ts";

const MESSAGES: Readonly<Record<Stop, string>> = {
  cancel: "The job was canceled.",
  drain: "The worker shuts down; the job will run again elsewhere.",
  timeout: "The job has run longer than it may.",
  idle: "The job has shown no sign of life for longer than it may.",
  lost: "The job no longer belongs to this worker.",
};

export const stopReason = (reason: Stop): DOMException => new DOMException(MESSAGES[reason], "AbortError");

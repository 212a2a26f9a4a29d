/** Follows one stream of Server-Sent Events. It reconnects after a break and continues after the last event. */
import { linesOf } from "./bytes.ts";
import { type JobServiceError, isJobServiceError, networkFailed } from "./job-service-error.ts";
import { delayAfter, sleepOrThrow } from "./with-retries.ts";
import type { Transport } from "./transport.ts";

/** The target of a stream: exactly one of these. */
export interface EventSelection {
  readonly jobId?: string;
  readonly batchId?: string;
  readonly tenantName?: string;
}

export interface FollowEventsDeps {
  readonly transport: Pick<Transport, "open" | "policy">;
  readonly onEvent: (event: ServerSentEvent) => void;
  /** Called when the service starts to send, also after each break. Later events arrive from now on. */
  readonly onOpen: () => void;
  /** Called when an open stream breaks. It is opened again. */
  readonly onBreak?: (() => void) | undefined;
  readonly signal: AbortSignal;
}

/** The service sends at least a comment every 15 s. Without data for longer than this, the connection is broken. */
const SILENCE_MS = 45_000;
/** The status of a stream that breaks later. */
const STREAMING = 200;

/** Resolves when the signal is aborted. Throws an error that no retry can fix: the target is missing or not allowed. */
export async function followEvents(
  selection: EventSelection,
  { transport, onEvent, onOpen, onBreak, signal }: FollowEventsDeps,
): Promise<void> {
  const { policy } = transport;
  let lastId: string | undefined;
  let failures = 0;
  /** An object, because TypeScript does not see that `once` writes it. */
  const stream = { isOpen: false };

  async function once(): Promise<void> {
    const headers = { accept: "text/event-stream", ...(lastId !== undefined && { "last-event-id": lastId }) };
    const { body } = await transport.open({ path: "/v1/events", query: { ...selection }, headers, signal });
    stream.isOpen = true;
    onOpen();
    for await (const event of eventsOf(linesOf(body, { stallMs: SILENCE_MS }))) {
      failures = 0;
      if (event === "heartbeat") continue;
      lastId = event.id ?? lastId;
      onEvent(event);
    }
  }

  for (;;) {
    const error = await once().then(ended, failed);
    if (isAborted(signal)) return;
    if (stream.isOpen) onBreak?.();
    stream.isOpen = false;
    // Breaks are normal. Only an error that no retry can fix ends the stream.
    const delay = delayAfter(Math.min(++failures, policy.maxAttempts - 1), error, {
      ...policy,
      maxAttempts: Math.max(2, policy.maxAttempts),
    });
    if (delay === undefined) throw error;
    await sleepOrThrow(delay, signal).catch(() => undefined);
    if (isAborted(signal)) return;
  }
}

/** Services restart, and proxies end long connections. */
const ended = (): JobServiceError => networkFailed(new Error("the stream has ended"), { status: STREAMING });

const failed = (error: unknown): JobServiceError =>
  isJobServiceError(error) ? error : networkFailed(error, { status: STREAMING });

/** A function, because TypeScript narrows a property after its first check. */
const isAborted = ({ aborted }: AbortSignal): boolean => aborted;

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
  /** The id to continue after. Undefined: unchanged. */
  readonly id: string | undefined;
}

/** A comment or an empty event: the service is alive and sends no event. */
export type Heartbeat = "heartbeat";

/**
 * Parses lines without their line breaks. An event that is cut off is dropped.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
async function* eventsOf(lines: AsyncIterable<string>): AsyncGenerator<ServerSentEvent | Heartbeat> {
  let event = "message";
  let data: string[] = [];
  let id: string | undefined;
  for await (const line of lines) {
    if (line === "") {
      yield data.length > 0 ? { event, data: data.join("\n"), id } : "heartbeat";
      event = "message";
      data = [];
      id = undefined;
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) {
      yield "heartbeat";
      continue;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
  }
}

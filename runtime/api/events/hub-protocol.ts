/**
 * SignalR's JSON protocol, without streams: JSON records, each ended by a separator.
 * https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md
 */
import * as z from "zod";

const SEPARATOR = "\u001e";

export type HubMessage =
  | { readonly type: "invocation"; readonly id: string | undefined; readonly target: string; readonly args: unknown[] }
  /** A call of a stream. This hub has none. */
  | { readonly type: "stream"; readonly id: string }
  | { readonly type: "ping" }
  | { readonly type: "close" }
  /** Any other message. This hub ignores it. */
  | { readonly type: "other" };

const TYPE = { invocation: 1, completion: 3, stream: 4, ping: 6, close: 7 } as const;

const HANDSHAKE = z.object({ protocol: z.string(), version: z.number() });
const INVOCATION = z.object({
  type: z.literal(TYPE.invocation),
  invocationId: z.string().max(100).optional(),
  target: z.string().max(200),
  arguments: z.array(z.unknown()),
});
const STREAM = z.object({ type: z.literal(TYPE.stream), invocationId: z.string().max(100) });
const TYPED = z.object({ type: z.number() });

/** Splits text into complete records and the rest. */
export function splitRecords(text: string): { readonly records: readonly string[]; readonly rest: string } {
  const records = text.split(SEPARATOR);
  return { rest: records.pop() ?? "", records };
}

/** What is wrong with a handshake. Undefined: nothing. */
export function handshakeError(record: string): string | undefined {
  const parsed = HANDSHAKE.safeParse(jsonOf(record));
  if (!parsed.success) return "The first message must be a handshake.";
  const { protocol, version } = parsed.data;
  if (protocol !== "json") return `This hub supports the protocol json, not ${protocol.slice(0, 50)}.`;
  return version === 1 ? undefined : `This hub supports version 1 of the protocol, not ${version}.`;
}

/** Undefined: the message is not of this protocol. */
export function readMessage(record: string): HubMessage | undefined {
  const json = jsonOf(record);
  const invocation = INVOCATION.safeParse(json);
  if (invocation.success) {
    const { invocationId: id, target, arguments: args } = invocation.data;
    return { type: "invocation", id, target, args };
  }
  const stream = STREAM.safeParse(json);
  if (stream.success) return { type: "stream", id: stream.data.invocationId };
  const typed = TYPED.safeParse(json);
  if (!typed.success || typed.data.type === TYPE.invocation || typed.data.type === TYPE.stream) return undefined;
  if (typed.data.type === TYPE.ping) return { type: "ping" };
  return typed.data.type === TYPE.close ? { type: "close" } : { type: "other" };
}

const record = (value: object): string => JSON.stringify(value) + SEPARATOR;

export const handshakeAnswer = (error: string | undefined): string => record(error === undefined ? {} : { error });
export const invocation = (target: string, argument: object): string =>
  record({ type: TYPE.invocation, target, arguments: [argument] });
export const completion = (invocationId: string, result: object | null): string =>
  record({ type: TYPE.completion, invocationId, result });
export const failedCompletion = (invocationId: string, error: string): string =>
  record({ type: TYPE.completion, invocationId, error });
export const PING = record({ type: TYPE.ping });
export const closing = (error: string | undefined): string =>
  record(
    error === undefined
      ? { type: TYPE.close, allowReconnect: true }
      : { type: TYPE.close, error, allowReconnect: false },
  );

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

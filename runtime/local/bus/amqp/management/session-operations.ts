/** Management operations on sessions: renew the lock, read and write the state, list. */
import { plainBytes } from "../plain-map.ts";
import { types } from "../rhea.ts";
import { integerArgument, stringArgument, type Operation } from "./operation.ts";

export const renewSessionLock: Operation = (broker, path, args) => ({
  body: { expiration: types.wrap_timestamp(broker.renewSessionLock(path, stringArgument(args, "session-id"))) },
});

export const setSessionState: Operation = (broker, path, args) => {
  const state = plainBytes(args["session-state"]);
  // A copy: the argument is a piece of a socket buffer.
  broker.setSessionState(path, stringArgument(args, "session-id"), state && Buffer.from(state));
  return {};
};

export const getSessionState: Operation = (broker, path, args) => ({
  body: { "session-state": broker.sessionState(path, stringArgument(args, "session-id")) ?? null },
});

/** .NET's largest instant, with which clients ask for sessions that have active messages. */
const ACTIVE_ONLY = 253_402_300_799_999;

/** Sessions that were used since `last-updated-time`, a page of them. */
export const getMessageSessions: Operation = (broker, path, args) => {
  const since = integerArgument(args, "last-updated-time", 0);
  const skip = integerArgument(args, "skip", 0);
  const top = integerArgument(args, "top", 100);
  const ids = broker.sessionIds(path, since >= ACTIVE_ONLY ? "active" : since).slice(skip, skip + top);
  if (ids.length === 0) return { empty: true };
  return { body: { skip: types.wrap_int(skip + ids.length), "sessions-ids": types.wrap_list(ids) } };
};

/**
 * The fields that every log line of one piece of work has, such as a request's id. They follow the work through its promises
 * and timers, so that no function passes them on. The logger of a program adds them to its lines.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export type LogFields = Readonly<Record<string, string | number | undefined>>;

const storage = new AsyncLocalStorage<Record<string, string | number | undefined>>();

/** Runs `work` with these fields alone: fields of work around it do not count. */
export const withLogFields = <Result>(fields: LogFields, work: () => Result): Result =>
  storage.run({ ...fields }, work);

/** Adds fields to the work that is running, from here on. Outside of any work it does nothing. */
export function addLogFields(fields: LogFields): void {
  const current = storage.getStore();
  if (current !== undefined) Object.assign(current, fields);
}

export const currentLogFields = (): LogFields => storage.getStore() ?? {};

import type { Logger } from "../../runtime/core/logger.ts";

/** A logger for tests that wait for what is said. */
export function recordingLog(): Logger & { messages(): readonly string[] } {
  const said: string[] = [];
  const say = (_fields: unknown, message: string): void => void said.push(message);
  const log = { info: say, warn: say, error: say, child: () => log, messages: () => said };
  return log;
}

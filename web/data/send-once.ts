/** Submits that a lost answer does not double. */
import { useRef } from "react";
import { isJobServiceError } from "../../runtime/client/index.ts";

/** Sends with an idempotency key: the same one for the same content, until the API has accepted it. */
export function useSendOnce() {
  const kept = useRef<{ readonly content: string; readonly key: string }>(undefined);
  return async <T>(content: unknown, send: (idempotencyKey: string) => Promise<T>): Promise<T> => {
    const text = JSON.stringify(content);
    if (kept.current?.content !== text) kept.current = { content: text, key: crypto.randomUUID() };
    const answer = await send(kept.current.key);
    kept.current = undefined;
    return answer;
  };
}

/** Whether the API may have accepted what was sent with this error. */
export const mayBeAccepted = (error: unknown): boolean =>
  isJobServiceError(error) && (error.code === "NetworkFailed" || error.isRepeated);

/** Submits that a lost answer does not double. */
import { useRef } from "react";
import { isJobServiceError } from "../../runtime/client/index.ts";
import { newKey } from "../../runtime/client/with-retries.ts";

interface Sent {
  readonly content: string;
  readonly key: string;
  /** An answer was lost, or came from something other than the API's own checks. */
  isUnknown: boolean;
}

/** For one thing that a reader sends, such as a form's content. */
export interface SendOnce {
  /** Sends with an idempotency key: the same one for the same content, until the API has accepted or refused it. */
  send<T>(content: unknown, call: (idempotencyKey: string) => Promise<T>): Promise<T>;
  /** Whether the API may have accepted what was sent last. */
  isUnknown(): boolean;
  /** The next send is meant anew, whatever became of the last one. */
  forget(): void;
}

/** These say nothing about an earlier send of the same content. */
const SAYS_NOTHING: ReadonlySet<string> = new Set(["SignInFailed", "Unauthenticated", "Forbidden", "TooManyRequests"]);

export function useSendOnce(): SendOnce {
  const sent = useRef<Sent>(undefined);
  return {
    async send(content, call) {
      const text = JSON.stringify(content);
      if (sent.current?.content !== text) sent.current = { content: text, key: newKey(), isUnknown: false };
      const mine = sent.current;
      try {
        const answer = await call(mine.key);
        sent.current = undefined;
        return answer;
      } catch (error) {
        mine.isUnknown = isLost(error) || (saysNothing(error) && (mine.isUnknown || error.isRepeated));
        if (!mine.isUnknown) sent.current = undefined;
        throw error;
      }
    },
    isUnknown: () => sent.current?.isUnknown === true,
    forget: () => (sent.current = undefined),
  };
}

function isLost(error: unknown): boolean {
  if (!isJobServiceError(error)) return false;
  return error.code === "NetworkFailed" || error.code === "AnswerInvalid" || (error.status ?? 0) >= 500;
}

const saysNothing = (error: unknown): error is { readonly isRepeated: boolean } =>
  isJobServiceError(error) && SAYS_NOTHING.has(error.code);

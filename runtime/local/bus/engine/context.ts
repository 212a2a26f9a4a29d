/** What the broker's commands work with: the instant, the state, and the only way to change it. */
import type { EntityDirectory } from "./entities.ts";
import type { MessageStore } from "./store/message-store.ts";
import type { MessageCodec } from "./message.ts";
import type { BrokerRecord } from "./records.ts";

export interface EngineContext {
  /** Epoch milliseconds; never goes backwards. */
  readonly now: number;
  readonly codec: MessageCodec;
  readonly entities: EntityDirectory;
  /** Applies a record and keeps it for the journal. */
  emit(record: BrokerRecord): void;
  newLockToken(): string;
  /** Asks for a sweep of this store at the given instant. */
  arm(store: MessageStore, at: number): void;
  /** Says that something may be deliverable in this store; looked at when the command is done. */
  touch(store: MessageStore): void;
}

/** What the broker's commands get: the current time, the state, and the only way to change it. */
import type { EntityDirectory } from "./entities.ts";
import type { MessageStore } from "./store/message-store.ts";
import type { MessageCodec } from "./message.ts";
import type { BrokerRecord } from "./records.ts";

export interface EngineContext {
  /** Epoch milliseconds. It never goes backwards. */
  readonly now: number;
  readonly codec: MessageCodec;
  readonly entities: EntityDirectory;
  /** Applies a record and adds it to the records for the journal. */
  emit(record: BrokerRecord): void;
  newLockToken(): string;
  /** Requests a sweep of this store at the given instant. */
  arm(store: MessageStore, at: number): void;
  /** Requests a check of this store for possible deliveries after the command. */
  touch(store: MessageStore): void;
}

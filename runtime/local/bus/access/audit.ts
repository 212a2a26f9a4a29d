/** Tells who used which right, and who was refused. Each connection is told of once for each change of an answer. */
import type { Right } from "./rights.ts";

export interface AccessUse {
  /** Null when the token itself was refused or none was brought. */
  readonly principalId: string | null;
  readonly entity: string;
  /** Null when it was about a token for the entity. */
  readonly right: Right | null;
  readonly allowed: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** What the one who started the bus is told. */
export type AuditListener = (use: AccessUse) => void;

/** Passes on what is new for one connection, so that load does not make a million entries. */
export function connectionAudit(listener: AuditListener): AuditListener {
  const answers = new Map<string, boolean>();
  return (use) => {
    const key = JSON.stringify([use.principalId, use.entity, use.right]);
    if (answers.get(key) === use.allowed) return;
    answers.set(key, use.allowed);
    listener(use);
  };
}

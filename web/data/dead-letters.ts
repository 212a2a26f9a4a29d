/** Messages that the broker has set aside. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { DeadLetterView } from "../../runtime/client/index.ts";
import { useLongList, type LongList } from "./listing.ts";
import { useClient } from "./session.ts";

export interface DeadLetterFilter {
  readonly tenantName: string | undefined;
  /** Undefined: the default pool. */
  readonly pool: string | undefined;
  /** Those that no worker can read, of no tenant. */
  readonly poison: boolean;
  readonly enabled?: boolean;
}

export function useDeadLetters({
  tenantName,
  pool,
  poison,
  enabled = true,
}: DeadLetterFilter): LongList<DeadLetterView> {
  const client = useClient();
  const list = useLongList({
    queryKey: ["dead-letters", poison ? "poison" : tenantName, pool],
    enabled: enabled && tenantName !== undefined,
    list: (options) =>
      client.monitoring.getDeadLetters(poison ? { pool, poison, ...options } : { tenantName, pool, ...options }),
  });
  // With poison the API lists the others too.
  return poison ? { ...list, items: list.items?.filter(({ jobId }) => jobId === undefined) } : list;
}

export const letterKey = ({ queue, sequenceNumber }: DeadLetterView): string => `${queue}/${sequenceNumber}`;

export function useRemoveDeadLetter() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ queue, sequenceNumber }: DeadLetterView) =>
      client.management.removeDeadLetter(queue, sequenceNumber),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["dead-letters"] }),
  });
}

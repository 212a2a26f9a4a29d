/** Webhooks of a tenant, their deliveries, and what can be done with one. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { BatchView, PutWebhookBody, WebhookDeliveryView, WebhookView } from "../../runtime/client/index.ts";
import { useLongList, type LongList } from "./listing.ts";
import { OPEN_EVERY_MS } from "./live.ts";
import { useClient } from "./session.ts";
import { isToldSoon, toldOf, type Told } from "./told.ts";

export function useWebhooks(tenantName: string | undefined, enabled: boolean): LongList<WebhookView> {
  const client = useClient();
  return useLongList({
    queryKey: ["webhooks", tenantName],
    enabled: tenantName !== undefined && enabled,
    list: (options) => client.monitoring.getWebhooks(tenantName ?? "", options),
  });
}

export function useWebhook(tenantName: string, webhookName: string) {
  const client = useClient();
  return useQuery({
    queryKey: ["webhooks", tenantName, webhookName],
    queryFn: ({ signal }) => client.monitoring.getWebhook(tenantName, webhookName, { signal }),
  });
}

/** Read again with every event, because what a webhook is told of makes one. */
export function useDeliveries(tenantName: string, webhookName: string): LongList<WebhookDeliveryView> {
  const client = useClient();
  return useLongList({
    queryKey: ["batches", tenantName, "deliveries", webhookName],
    list: (options) => client.monitoring.getWebhookDeliveries(tenantName, webhookName, options),
  });
}

/** Of the webhooks that are told of a batch. Read again when it is complete, and while messages may come. */
export function useBatchDeliveries(batch: BatchView, enabled: boolean) {
  const { monitoring } = useClient();
  const { tenantName, batchId, generation, completedAt } = batch;
  return useQuery({
    queryKey: ["webhooks", tenantName, "about", batchId, generation, completedAt],
    enabled,
    queryFn: async ({ signal }): Promise<readonly Told[]> => {
      const webhooks = await Array.fromAsync(monitoring.getWebhooks(tenantName, { signal }));
      const told = await Promise.all(
        webhooks.map(async (webhook) => {
          const all = monitoring.getWebhookDeliveries(tenantName, webhook.webhookName, { signal });
          return toldOf(batch, webhook, await Array.fromAsync(all));
        }),
      );
      return told.flat();
    },
    refetchInterval: ({ state: { data } }) => (isToldSoon(batch, data ?? [], Date.now()) ? OPEN_EVERY_MS : false),
  });
}

export function useWebhookActions(tenantName: string) {
  const client = useClient();
  const queries = useQueryClient();
  const onSuccess = (): void => void queries.invalidateQueries({ queryKey: ["webhooks", tenantName] });
  return {
    put: useMutation({
      mutationFn: ({ webhookName, ...webhook }: PutWebhookBody & Pick<WebhookView, "webhookName">) =>
        client.management.putWebhook(tenantName, webhookName, webhook),
      onSuccess,
    }),
    rotate: useMutation({
      mutationFn: (webhookName: string) => client.management.rotateWebhookSecret(tenantName, webhookName),
      onSuccess,
    }),
    resend: useMutation({
      mutationFn: ({ webhookName, messageId }: { readonly webhookName: string; readonly messageId: string }) =>
        client.management.resendWebhookDelivery(tenantName, webhookName, messageId),
      onSuccess: () => queries.invalidateQueries({ queryKey: ["batches", tenantName, "deliveries"] }),
    }),
    test: useMutation({ mutationFn: (webhookName: string) => client.management.testWebhook(tenantName, webhookName) }),
    remove: useMutation({
      mutationFn: (webhookName: string) => client.management.deleteWebhook(tenantName, webhookName),
      // The page of it is left: what it shows is not read again.
      onSuccess: () => queries.invalidateQueries({ queryKey: ["webhooks", tenantName], exact: true }),
    }),
  };
}

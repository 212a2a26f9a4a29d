/** Webhooks of a tenant, their deliveries, and what can be done with one. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { WebhookDeliveryView, WebhookView } from "../../runtime/client/index.ts";
import { useLongList, type LongList } from "./listing.ts";
import { useClient } from "./session.ts";

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

/** Read again with every event, because a complete batch makes one. */
export function useDeliveries(tenantName: string, webhookName: string): LongList<WebhookDeliveryView> {
  const client = useClient();
  return useLongList({
    queryKey: ["batches", tenantName, "deliveries", webhookName],
    list: (options) => client.monitoring.getWebhookDeliveries(tenantName, webhookName, options),
  });
}

export function useWebhookActions(tenantName: string) {
  const client = useClient();
  const queries = useQueryClient();
  const onSuccess = (): void => void queries.invalidateQueries({ queryKey: ["webhooks", tenantName] });
  return {
    put: useMutation({
      mutationFn: ({ webhookName, url, enabled }: Pick<WebhookView, "webhookName" | "url" | "enabled">) =>
        client.management.putWebhook(tenantName, webhookName, { url, enabled }),
      onSuccess,
    }),
    rotate: useMutation({
      mutationFn: (webhookName: string) => client.management.rotateWebhookSecret(tenantName, webhookName),
      onSuccess,
    }),
    test: useMutation({ mutationFn: (webhookName: string) => client.management.testWebhook(tenantName, webhookName) }),
    remove: useMutation({
      mutationFn: (webhookName: string) => client.management.deleteWebhook(tenantName, webhookName),
      // The page of it is left: what it shows is not read again.
      onSuccess: () => queries.invalidateQueries({ queryKey: ["webhooks", tenantName], exact: true }),
    }),
  };
}

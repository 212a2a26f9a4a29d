/** Webhooks of a tenant: who is told what happens to its jobs. */
import { Link } from "wouter";
import { shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { PageHead } from "../components/page-head.tsx";
import { StateMark } from "../components/state-mark.tsx";
import { Ago } from "../components/times.tsx";
import { useAccess, useTenant } from "../data/session.ts";
import { useWebhooks } from "../data/webhooks.ts";
import type { WebhookView } from "../../runtime/client/index.ts";
import { PutWebhook, webhookHref } from "./webhook/put.tsx";

const COLUMNS: readonly Column<WebhookView>[] = [
  { id: "state", title: "State", width: "116px", cell: (webhook) => <WebhookState webhook={webhook} /> },
  {
    id: "name",
    title: "Webhook",
    width: "26%",
    cell: ({ tenantName, webhookName }) => (
      <Link className="name" href={webhookHref(tenantName, webhookName)}>
        {webhookName}
      </Link>
    ),
  },
  { id: "url", title: "Address", cell: ({ url }) => <span title={url}>{url}</span> },
  { id: "events", title: "Told of", width: "20%", hide: "medium", cell: ({ events }) => events.join(", ") },
  { id: "by", title: "By", width: "150px", hide: "medium", cell: ({ createdBy }) => createdBy },
  {
    id: "changed",
    title: "Changed",
    width: "96px",
    isNumber: true,
    hide: "small",
    cell: ({ changedAt }) => <Ago at={changedAt} />,
  },
];

export const WebhookState = ({ webhook: { enabled, disabledBecause } }: { readonly webhook: WebhookView }) =>
  enabled ? (
    <StateMark state="succeeded" word="enabled" />
  ) : (
    <StateMark state={disabledBecause === undefined ? "canceled" : "failed"} word="disabled" />
  );

export function Page() {
  const tenantName = useTenant();
  const { allowed, reason } = useAccess("manage", tenantName);
  const { items, error, onEnd, refresh } = useWebhooks(tenantName, allowed);
  return (
    <>
      <PageHead title="Webhooks" actions={<PutWebhook tenantName={tenantName ?? ""} refused={reason} />} />
      {!allowed ? (
        <Empty title="Webhooks are not shown">{reason}</Empty>
      ) : (
        <Shown error={error} isRead={items !== undefined} what="The webhooks cannot be shown." onRetry={refresh}>
          <DataTable
            label="Webhooks"
            columns={COLUMNS}
            rows={items}
            keyOf={({ webhookName }) => webhookName}
            hrefOf={(one) => webhookHref(one.tenantName, one.webhookName)}
            onEnd={onEnd}
            empty={
              <Empty
                title="No webhooks yet"
                cli={`jobyard webhooks ${shellWord(tenantName ?? "demo")} --put billing --to https://hooks.example.com/jobyard`}
              >
                A webhook tells a server of yours when a batch is complete, jobs have failed, a timer has missed ticks,
                or a quota is full.
              </Empty>
            }
          />
        </Shown>
      )}
    </>
  );
}

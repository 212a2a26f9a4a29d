/** What follows a batch's end: the webhooks that are told of it, and what became of their messages. */
import { Link } from "wouter";
import { href } from "../../components/address.ts";
import { Shown } from "../../components/error-note.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { Panel } from "../../components/panel.tsx";
import { StateMark } from "../../components/state-mark.tsx";
import { Ago } from "../../components/times.tsx";
import { useAccess } from "../../data/session.ts";
import type { Told } from "../../data/told.ts";
import { useBatchDeliveries } from "../../data/webhooks.ts";
import type { BatchView } from "../../../runtime/client/index.ts";
import { answerText, DELIVERY_STATES } from "../webhook.tsx";
import { webhookHref } from "../webhook/put.tsx";

export function Follows({ batch }: { readonly batch: BatchView }) {
  const { tenantName } = batch;
  const { allowed, reason } = useAccess("manage", tenantName);
  const { data, error } = useBatchDeliveries(batch, allowed);
  return (
    <Panel title="What follows" more={{ href: href("/webhooks", { tenant: tenantName }), title: "Webhooks" }}>
      {!allowed ? (
        <p className="muted">{reason}</p>
      ) : (
        <Shown error={error} isRead={data !== undefined} what="The messages cannot be shown.">
          {data === undefined ? (
            <Ghost width={20} />
          ) : data.length === 0 ? (
            <p className="muted">Nothing: no webhook is told of a complete batch.</p>
          ) : (
            <div className="lines">
              {data.map((told) => (
                <Line key={`${told.webhook.webhookName} ${told.delivery?.messageId}`} told={told} batch={batch} />
              ))}
            </div>
          )}
        </Shown>
      )}
    </Panel>
  );
}

function Line({ told: { webhook, delivery }, batch }: { readonly told: Told; readonly batch: BatchView }) {
  const { tenantName, webhookName } = webhook;
  return (
    <div>
      <Link className="link" href={webhookHref(tenantName, webhookName)}>
        {webhookName}
      </Link>
      {delivery === undefined ? (
        <span className="x muted cut">{notYet(batch, webhook.enabled)}</span>
      ) : (
        <>
          <StateMark state={DELIVERY_STATES[delivery.state]} word={delivery.state} />
          <span className="x cut">
            {delivery.eventType === "batchCompleted" ? null : `${delivery.eventType} `}
            {answerText(delivery)}
          </span>
          <span className="muted">
            <Ago at={delivery.nextTryAt ?? delivery.triedAt ?? delivery.createdAt} />
          </span>
        </>
      )}
    </div>
  );
}

function notYet({ state, completedAt }: BatchView, enabled: boolean): string {
  if (!enabled) return "is disabled, and told nothing";
  if (completedAt !== undefined) return "none of its latest messages is about this end";
  return state === "open"
    ? "is told when the batch is closed and its last job has ended"
    : "is told when the last job has ended";
}

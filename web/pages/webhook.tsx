/** One webhook: its address, its messages and what the receiver answered; change, test, rotate, disable, delete, resend. */
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { batchHref, href } from "../components/address.ts";
import { DialogButton } from "../components/action-dialog.tsx";
import { shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { ErrorNote, Shown } from "../components/error-note.tsx";
import { GhostPage } from "../components/ghost.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Facts } from "../components/panel.tsx";
import { StateMark, type ShownState } from "../components/state-mark.tsx";
import { Ago, At } from "../components/times.tsx";
import { durationText, numberText } from "../components/time-text.ts";
import { useAccess, useTenant } from "../data/session.ts";
import { useDeliveries, useWebhook, useWebhookActions } from "../data/webhooks.ts";
import type { PageProps } from "../components/address.ts";
import type { WebhookDeliveryView, WebhookTestView, WebhookView } from "../../runtime/client/index.ts";
import { PutWebhook, SecretDialog } from "./webhook/put.tsx";
import { WebhookState } from "./webhooks.tsx";

export const DELIVERY_STATES: Readonly<Record<WebhookDeliveryView["state"], ShownState>> = {
  waiting: "delayed",
  delivered: "succeeded",
  failed: "failed",
};

const columnsOf = (webhook: WebhookView): readonly Column<WebhookDeliveryView>[] => [
  {
    id: "state",
    title: "State",
    width: "104px",
    cell: ({ state }) => <StateMark state={DELIVERY_STATES[state]} word={state} />,
  },
  {
    id: "event",
    title: "Event",
    width: "26%",
    cell: ({ batchId, eventType }) => (
      <>
        {eventType}
        {batchId === undefined ? null : (
          <Link className="sub name" href={batchHref(batchId)} title={batchId}>
            {batchId}
          </Link>
        )}
      </>
    ),
  },
  { id: "answer", title: "Answer", cell: (delivery) => answerText(delivery) },
  { id: "tries", title: "Tries", width: "64px", isNumber: true, hide: "small", cell: ({ tries }) => numberText(tries) },
  {
    id: "tried",
    title: "Tried",
    width: "96px",
    isNumber: true,
    hide: "small",
    cell: ({ triedAt }) => (triedAt === undefined ? null : <Ago at={triedAt} />),
  },
  {
    id: "next",
    title: "Next try",
    width: "96px",
    isNumber: true,
    hide: "medium",
    cell: ({ nextTryAt }) => (nextTryAt === undefined ? null : <Ago at={nextTryAt} />),
  },
  { id: "act", title: "Act", width: "88px", cell: (delivery) => <Resend webhook={webhook} delivery={delivery} /> },
];

interface ResendProps {
  readonly webhook: WebhookView;
  readonly delivery: WebhookDeliveryView;
}

function Resend({ webhook: { tenantName, webhookName, url, enabled }, delivery: { messageId } }: ResendProps) {
  const { reason } = useAccess("manage", tenantName);
  const { resend } = useWebhookActions(tenantName);
  return (
    <DialogButton
      verb="Resend"
      kind="quiet"
      refused={reason ?? (enabled ? undefined : "A disabled webhook gets nothing. Enable it first.")}
      cli={`jobyard webhooks ${shellWord(tenantName)} --resend ${shellWord(webhookName)} --message ${messageId}`}
      action={async () => {
        await resend.mutateAsync({ webhookName, messageId });
        return "The message will be sent again within seconds.";
      }}
    >
      The same message, with the same <code>webhook-id</code>, is sent to {url} again.
    </DialogButton>
  );
}

export function answerText({
  answerCode,
  answer,
  error,
}: Pick<WebhookDeliveryView, "answerCode" | "answer" | "error">) {
  const text = [answerCode, error ?? answer].filter((part) => part !== undefined && part !== "").join(" · ");
  return <span title={answer ?? text}>{text}</span>;
}

export function Page({ params: { webhookName = "" } }: PageProps) {
  const tenantName = useTenant() ?? "";
  const { data, error, refetch } = useWebhook(tenantName, webhookName);
  const deliveries = useDeliveries(tenantName, webhookName);
  const [tested, setTested] = useState<WebhookTestView>();
  const note = { error, what: "The webhook cannot be shown.", onRetry: () => void refetch() };
  if (data === undefined) return error === null ? <GhostPage /> : <ErrorNote {...note} />;
  return (
    <Shown {...note} isRead>
      <PageHead
        title={webhookName}
        up={{ href: href("/webhooks", { tenant: tenantName }), title: "Webhooks" }}
        actions={<Actions webhook={data} onTested={setTested} />}
      >
        <WebhookState webhook={data} />
      </PageHead>
      <Facts
        of={[
          ["Address", data.url],
          ["Told of", data.events.join(", ")],
          ["Disabled because", data.disabledBecause],
          ["Two secrets until", data.previousSecretUntil && <At key="s" at={data.previousSecretUntil} />],
          ["Registered", <Ago key="r" at={data.createdAt} />],
          ["By", data.createdBy],
        ]}
      />
      {tested === undefined ? null : <Tested test={tested} />}
      <Shown
        error={deliveries.error}
        isRead={deliveries.items !== undefined}
        what="Its messages cannot be shown."
        onRetry={deliveries.refresh}
      >
        <DataTable
          label="Deliveries"
          columns={columnsOf(data)}
          rows={deliveries.items}
          keyOf={({ messageId }) => messageId}
          onEnd={deliveries.onEnd}
          empty={
            <Empty
              title="No messages yet"
              cli={`jobyard webhooks ${shellWord(tenantName)} --test ${shellWord(webhookName)}`}
            >
              A message is sent when something happens that it is told of. A test sends a ping at once.
            </Empty>
          }
        />
      </Shown>
    </Shown>
  );
}

const Tested = ({ test }: { readonly test: WebhookTestView }) => (
  <div className="note" data-kind={test.delivered ? undefined : "bad"} role="status" style={{ marginBottom: 12 }}>
    <StateMark
      state={test.delivered ? "succeeded" : "failed"}
      word={test.delivered ? "The ping was delivered" : "The ping was not delivered"}
    />
    <div>{answerText(test)}</div>
    <p className="muted small">after {durationText(test.durationMs)}</p>
  </div>
);

interface ActionsProps {
  readonly webhook: WebhookView;
  readonly onTested: (test: WebhookTestView) => void;
}

function Actions({ webhook, onTested }: ActionsProps) {
  const { tenantName, webhookName, url, enabled } = webhook;
  const { reason: refused } = useAccess("manage", tenantName);
  const { put, rotate, test, remove } = useWebhookActions(tenantName);
  const [secret, setSecret] = useState<string>();
  const [, navigate] = useLocation();
  const cli = (verb: string): string => `jobyard webhooks ${shellWord(tenantName)} --${verb} ${shellWord(webhookName)}`;
  return (
    <>
      <DialogButton
        verb="Delete"
        kind="danger"
        isDangerous
        refused={refused}
        cli={cli("delete")}
        action={async () => {
          await remove.mutateAsync(webhookName);
          navigate(href("/webhooks", { tenant: tenantName }));
          return `${webhookName} is deleted.`;
        }}
      >
        It is told nothing more. Its messages are deleted, waiting ones too.
      </DialogButton>
      <DialogButton
        verb="Rotate the secret"
        refused={refused}
        cli={cli("rotate")}
        action={async () => {
          setSecret((await rotate.mutateAsync(webhookName)).secret);
          return "The webhook has a new secret.";
        }}
      >
        A new secret is made and shown once. The old one stays valid for 24 hours.
      </DialogButton>
      <PutWebhook key={webhook.changedAt} tenantName={tenantName} webhook={webhook} refused={refused} />
      <DialogButton
        verb={enabled ? "Disable" : "Enable"}
        refused={refused}
        cli={cli(enabled ? "disable" : "enable")}
        action={async () => {
          await put.mutateAsync({ webhookName, url, enabled: !enabled });
          return `${webhookName} is ${enabled ? "disabled" : "enabled"}.`;
        }}
      >
        {enabled ? "It is sent nothing but tests until it is enabled." : "It is told again of what happens."}
      </DialogButton>
      <DialogButton
        verb="Test"
        kind="primary"
        refused={refused}
        cli={cli("test")}
        action={async () => {
          const result = await test.mutateAsync(webhookName);
          onTested(result);
          return result.delivered ? "The ping was delivered." : "The ping was sent, and not taken.";
        }}
      >
        A signed ping is sent to {url}, once.
      </DialogButton>
      <SecretDialog secret={secret} onClose={() => setSecret(undefined)} />
    </>
  );
}

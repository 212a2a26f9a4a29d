/** Registers a webhook, whose secret is shown once, or changes it. */
import { useState } from "react";
import { useLocation } from "wouter";
import { DialogButton } from "../../components/action-dialog.tsx";
import { href } from "../../components/address.ts";
import { CopyButton, shellWord } from "../../components/copy.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { TextField } from "../../components/field.tsx";
import { useWebhookActions } from "../../data/webhooks.ts";
import { DEFAULT_WEBHOOK_EVENTS, WEBHOOK_EVENTS, type WebhookEvent } from "../../../runtime/core/job/webhook.ts";
import type { WebhookView } from "../../../runtime/client/index.ts";

export const webhookHref = (tenantName: string, webhookName: string): string =>
  href(`/webhooks/${encodeURIComponent(webhookName)}`, { tenant: tenantName });

const EVENT_WORDS: Readonly<Record<WebhookEvent, string>> = {
  batchCompleted: "a closed batch is complete",
  jobsFailed: "jobs have failed for good",
  timerMissed: "a timer has missed ticks",
  quotaFull: "a quota is full",
};

interface PutWebhookProps {
  readonly tenantName: string;
  readonly refused: string | undefined;
  /** The one to change. Default: a new one. */
  readonly webhook?: WebhookView;
}

export function PutWebhook({ tenantName, refused, webhook }: PutWebhookProps) {
  const [name, setName] = useState(webhook?.webhookName ?? "");
  const [url, setUrl] = useState(webhook?.url ?? "");
  const [events, setEvents] = useState<readonly string[]>(webhook?.events ?? DEFAULT_WEBHOOK_EVENTS);
  const [secret, setSecret] = useState<string>();
  const [, navigate] = useLocation();
  const { put } = useWebhookActions(tenantName);
  const chosen = WEBHOOK_EVENTS.filter((event) => events.includes(event));
  const verb = webhook === undefined ? "Register" : "Change";
  return (
    <>
      <DialogButton
        button={webhook === undefined ? "Register a webhook" : "Change"}
        title={webhook === undefined ? "Register a webhook" : `Change ${webhook.webhookName}`}
        kind={webhook === undefined ? "primary" : undefined}
        refused={refused}
        cli={`jobyard webhooks ${shellWord(tenantName)} --put ${shellWord(name === "" ? "<name>" : name)} --to ${shellWord(url === "" ? "<address>" : url)} --events ${chosen.join(",")}`}
        verb={verb}
        problem={problemOf(name, url, chosen)}
        action={async () => {
          const enabled = webhook?.enabled ?? true;
          const made = await put.mutateAsync({ webhookName: name, url, events: chosen, enabled });
          if (webhook !== undefined) return `${name} is changed.`;
          if (made.secret === undefined) navigate(webhookHref(tenantName, name));
          else setSecret(made.secret);
          return undefined;
        }}
      >
        {webhook === undefined ? (
          <TextField label="Name" value={name} onChange={setName} placeholder="billing" />
        ) : null}
        <TextField
          label="Address"
          type="url"
          value={url}
          onChange={setUrl}
          placeholder="https://hooks.example.com/jobyard"
        />
        <fieldset className="choices">
          <legend>It receives a signed POST when, in {tenantName},</legend>
          {WEBHOOK_EVENTS.map((event) => (
            <label key={event} className="row">
              <input
                type="checkbox"
                checked={events.includes(event)}
                onChange={({ target: { checked } }) =>
                  setEvents(checked ? [...events, event] : events.filter((one) => one !== event))
                }
              />
              {EVENT_WORDS[event]}
            </label>
          ))}
        </fieldset>
        {webhook === undefined ? <p className="muted">A name that exists gets the new address and events.</p> : null}
      </DialogButton>
      <SecretDialog
        secret={secret}
        onClose={() => {
          setSecret(undefined);
          navigate(webhookHref(tenantName, name));
        }}
      />
    </>
  );
}

function problemOf(name: string, url: string, events: readonly WebhookEvent[]): string | undefined {
  if (name === "" || url === "") return "It needs a name and an address.";
  return events.length === 0 ? "Choose what it is told of." : undefined;
}

/** The only time that the secret can be read. */
export function SecretDialog({
  secret,
  onClose,
}: {
  readonly secret: string | undefined;
  readonly onClose: () => void;
}) {
  return (
    <Dialog title="The secret of the webhook" isOpen={secret !== undefined} onClose={onClose}>
      <p>The receiver verifies messages with it. It is never shown again: if it is lost, rotate it.</p>
      <div className="cli">
        <code>{secret}</code>
        <CopyButton text={secret ?? ""} what="the secret" />
      </div>
      <div className="actions">
        <button type="button" className="btn primary" onClick={onClose}>
          I have kept it
        </button>
      </div>
    </Dialog>
  );
}

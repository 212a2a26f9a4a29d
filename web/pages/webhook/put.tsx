/** Registers a webhook. Its secret is shown once. */
import { useState } from "react";
import { useLocation } from "wouter";
import { DialogButton } from "../../components/action-dialog.tsx";
import { href } from "../../components/address.ts";
import { CopyButton, shellWord } from "../../components/copy.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { TextField } from "../../components/field.tsx";
import { useWebhookActions } from "../../data/webhooks.ts";

export const webhookHref = (tenantName: string, webhookName: string): string =>
  href(`/webhooks/${encodeURIComponent(webhookName)}`, { tenant: tenantName });

interface AddWebhookProps {
  readonly tenantName: string;
  readonly refused: string | undefined;
}

export function AddWebhook({ tenantName, refused }: AddWebhookProps) {
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const [secret, setSecret] = useState<string>();
  const [, navigate] = useLocation();
  const { put } = useWebhookActions(tenantName);
  return (
    <>
      <DialogButton
        button="Register a webhook"
        title="Register a webhook"
        kind="primary"
        refused={refused}
        cli={`jobyard webhooks ${shellWord(tenantName)} --put ${shellWord(name === "" ? "<name>" : name)} --to ${shellWord(url === "" ? "<address>" : url)}`}
        verb="Register"
        problem={name === "" || url === "" ? "It needs a name and an address." : undefined}
        action={async () => {
          const made = await put.mutateAsync({ webhookName: name, url, enabled: true });
          if (made.secret === undefined) navigate(webhookHref(tenantName, name));
          else setSecret(made.secret);
          return undefined;
        }}
      >
        <TextField label="Name" value={name} onChange={setName} placeholder="billing" />
        <TextField
          label="Address"
          type="url"
          value={url}
          onChange={setUrl}
          placeholder="https://hooks.example.com/jobyard"
        />
        <p className="muted">
          It receives a signed POST when a batch of {tenantName} is complete. A name that exists gets the new address.
        </p>
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

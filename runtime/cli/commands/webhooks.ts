/** `jobyard webhooks <tenant>`: manages a tenant's webhooks and lists their deliveries. */
import type { JobServiceClient, WebhookDeliveryView, WebhookTestView, WebhookView } from "../../client/index.ts";
import { WEBHOOK_EVENTS, type WebhookEvent } from "../../core/job/webhook.ts";
import { connect, counted, firstOf, LONG, show, showInstant, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings, Terminal } from "../terminal.ts";

const ACTIONS = ["put", "enable", "disable", "rotate", "test", "deliveries", "resend", "delete"] as const;
type Action = (typeof ACTIONS)[number];

interface WebhooksOptions extends RemoteOptions, Readonly<Partial<Record<Action, string>>> {
  readonly to?: string;
  readonly events?: string;
  readonly message?: string;
}

export async function webhooks(options: WebhooksOptions, around: Surroundings, tenantName: string): Promise<void> {
  const [action, ...others] = ACTIONS.filter((name) => options[name] !== undefined);
  if (others.length > 0) throw new UsageError(`--${action} and --${others[0]} exclude each other.`);
  const client = await connect(options, around, LONG);
  if (action === undefined) await list(client, tenantName, options, around);
  else await act(action, { tenantName, webhookName: options[action] ?? "", client, options, around });
}

interface Act {
  readonly tenantName: string;
  readonly webhookName: string;
  readonly client: JobServiceClient;
  readonly options: WebhooksOptions;
  readonly around: Surroundings;
}

async function list(
  { monitoring }: JobServiceClient,
  tenantName: string,
  options: WebhooksOptions,
  { terminal, signal }: Surroundings,
): Promise<void> {
  const items = await firstOf(monitoring.getWebhooks(tenantName, { signal }), Infinity);
  show(terminal, options, { items }, () =>
    table(
      ["webhook", "state", "events", { title: "address", shortens: true }, "changed"],
      items.map((one) => [one.webhookName, stateOf(one), one.events.join(" "), one.url, showInstant(one.changedAt)]),
      { ...terminal, empty: "No webhooks." },
    ),
  );
}

async function act(action: Action, { tenantName, webhookName, client, options, around }: Act): Promise<void> {
  const { terminal, signal } = around;
  const { management, monitoring } = client;
  switch (action) {
    case "put": {
      if (options.to === undefined) throw new UsageError("Set the receiver's address with --to https://…");
      const wanted = { url: options.to, ...(options.events !== undefined && { events: eventsIn(options.events) }) };
      const made = await management.putWebhook(tenantName, webhookName, wanted, { signal });
      show(terminal, options, made, () =>
        made.secret === undefined ? `${webhookName} is sent to ${made.url}.` : secretText(webhookName, made.secret),
      );
      return;
    }
    case "enable":
    case "disable": {
      const { url } = await monitoring.getWebhook(tenantName, webhookName, { signal });
      const enabled = action === "enable";
      const made = await management.putWebhook(tenantName, webhookName, { url, enabled }, { signal });
      show(terminal, options, made, () => `${webhookName} is ${stateOf(made)}.`);
      return;
    }
    case "rotate": {
      const made = await management.rotateWebhookSecret(tenantName, webhookName, { signal });
      show(terminal, options, made, () => secretText(webhookName, made.secret));
      return;
    }
    case "test": {
      const result = await management.testWebhook(tenantName, webhookName, { signal });
      show(terminal, options, result, () => testText(webhookName, result));
      if (!result.delivered) throw new PingFailedError(webhookName);
      return;
    }
    case "deliveries": {
      const items = await firstOf(monitoring.getWebhookDeliveries(tenantName, webhookName, { signal }), Infinity);
      show(terminal, options, { items }, () => deliveriesText(items, terminal));
      return;
    }
    case "resend": {
      const all = monitoring.getWebhookDeliveries(tenantName, webhookName, { signal });
      const ids = options.message === undefined ? await failedIn(all) : [options.message];
      for (const id of ids) await management.resendWebhookDelivery(tenantName, webhookName, id, { signal });
      show(terminal, options, { resent: ids }, () => `${counted(ids.length, "message")} will be sent again.`);
      return;
    }
    case "delete":
      await management.deleteWebhook(tenantName, webhookName, { signal });
      show(terminal, options, { deleted: webhookName }, () => `Deleted ${webhookName}.`);
  }
}

const isEvent = (word: string): word is WebhookEvent => (WEBHOOK_EVENTS as readonly string[]).includes(word);

/** Throws UsageError. */
function eventsIn(list: string): WebhookEvent[] {
  return list.split(",").map((part) => {
    const word = part.trim();
    if (isEvent(word)) return word;
    throw new UsageError(`--events has ${word}. It is a list of: ${WEBHOOK_EVENTS.join(", ")}.`);
  });
}

const failedIn = async (items: AsyncIterable<WebhookDeliveryView>): Promise<readonly string[]> =>
  (await firstOf(items, Infinity)).flatMap(({ state, messageId }) => (state === "failed" ? [messageId] : []));

/** The exit code reports it too, for scripts. */
class PingFailedError extends Error {
  override readonly name = "PingFailedError";
  constructor(webhookName: string) {
    super(`The ping did not arrive at ${webhookName}.`);
  }
}

const stateOf = ({ enabled, disabledBecause }: WebhookView): string =>
  enabled ? "enabled" : disabledBecause === undefined ? "disabled" : `disabled: ${disabledBecause}`;

const secretText = (webhookName: string, secret: string): string =>
  `The secret of ${webhookName}, shown only once:\n${secret}`;

const testText = (webhookName: string, { delivered, durationMs, answerCode, error, answer }: WebhookTestView): string =>
  [
    delivered ? `${webhookName} returned ${answerCode} after ${durationMs} ms.` : (error ?? "The ping did not arrive."),
    ...(answer === undefined ? [] : [answer]),
  ].join("\n");

const deliveriesText = (items: readonly WebhookDeliveryView[], terminal: Terminal): string =>
  table(
    [
      "created",
      "message",
      "event",
      "batch",
      "state",
      "tries",
      "answer",
      "next try",
      { title: "error", shortens: true },
    ],
    items.map((one) => [
      showInstant(one.createdAt),
      one.messageId,
      one.eventType,
      one.batchId ?? "",
      one.state,
      one.tries,
      one.answerCode ?? "",
      one.nextTryAt === undefined ? "" : showInstant(one.nextTryAt),
      one.error ?? "",
    ]),
    { ...terminal, empty: "No deliveries." },
  );

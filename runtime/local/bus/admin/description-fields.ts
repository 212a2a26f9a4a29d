/** Fields of descriptions in XML: durations in ISO 8601, and the fields that the bus keeps without acting on them. */
import type {
  AuthorizationRule,
  KeptFields,
  QueueDescription,
  SubscriptionDescription,
} from "../engine/descriptions.ts";
import { BusError } from "../engine/errors.ts";
import { type XmlElement, child, childText, elements } from "./xml.ts";

/** The longest time span of .NET. It means "never". */
const FOREVER = "P10675199DT2H48M5.4775807S";
const FOREVER_MS = 10_675_199 * 86_400_000;

const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** Milliseconds, or undefined for "never". @throws BusError `invalid-argument` */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match || text === "P" || text.endsWith("T")) {
    throw new BusError("invalid-argument", `'${text}' is not a duration; write it like PT30S or P1DT12H.`);
  }
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part));
  const value = (part: number | undefined): number => (part === undefined || Number.isNaN(part) ? 0 : part);
  const total = ((value(days) * 24 + value(hours)) * 60 + value(minutes)) * 60_000 + value(seconds) * 1_000;
  return total >= FOREVER_MS ? undefined : Math.round(total);
}

export function formatDuration(milliseconds: number | undefined): string {
  if (milliseconds === undefined || milliseconds === Infinity) return FOREVER;
  const days = Math.floor(milliseconds / 86_400_000);
  const hours = Math.floor(milliseconds / 3_600_000) % 24;
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const seconds = (milliseconds % 60_000) / 1_000;
  const time = `${hours ? `${hours}H` : ""}${minutes ? `${minutes}M` : ""}${seconds ? `${seconds}S` : ""}`;
  if (time === "" && days === 0) return "PT0S";
  return `P${days ? `${days}D` : ""}${time && `T${time}`}`;
}

/**
 * Fields that change nothing here, by entity, with the service's defaults. The bus answers them as they were set, so that
 * a client that compares the entity with what it wants finds no difference.
 */
export const KEPT = {
  queue: { EnableBatchedOperations: "true", EnablePartitioning: "false", EnableExpress: "false" },
  topic: {
    ...{ EnableBatchedOperations: "true", EnablePartitioning: "false", EnableExpress: "false" },
    SupportOrdering: "true",
  },
  subscription: { EnableBatchedOperations: "true", DeadLetteringOnFilterEvaluationExceptions: "true" },
} as const;

type Defaults = Readonly<Record<string, string>>;

export function readKept(element: XmlElement, defaults: Defaults): { readonly kept?: KeptFields } {
  const texts = Object.keys(defaults).map((name) => [name, childText(element, name)?.toLowerCase()] as const);
  const fields = Object.fromEntries(texts.filter(([, text]) => text === "true" || text === "false"));
  const rules = child(element, "AuthorizationRules")?.children.map(readAuthorizationRule) ?? [];
  if (Object.keys(fields).length + rules.length === 0) return {};
  return {
    kept: {
      flags: fields as Record<string, string>,
      ...(rules.length > 0 && { authorizationRules: rules }),
    },
  };
}

/** The text of a kept flag. */
export const keptFlag = <T extends Defaults>(
  { kept }: Pick<QueueDescription | SubscriptionDescription, "kept">,
  defaults: T,
  name: keyof T & string,
): string => kept?.flags[name] ?? defaults[name] ?? "";

function readAuthorizationRule(element: XmlElement): AuthorizationRule {
  const texts = Object.entries(AUTHORIZATION_TEXTS).map(
    ([ours, theirs]) => [ours, childText(element, theirs)] as const,
  );
  return {
    ...Object.fromEntries(texts.filter(([, text]) => text !== undefined)),
    rights: (child(element, "Rights")?.children ?? []).map(({ text }) => text.trim()),
  };
}

const AUTHORIZATION_TEXTS = {
  ...{ claimType: "ClaimType", claimValue: "ClaimValue" },
  ...{ keyName: "KeyName", primaryKey: "PrimaryKey", secondaryKey: "SecondaryKey" },
} as const;

export function writeAuthorizationRules({ kept }: Pick<QueueDescription, "kept">): string {
  const rules = (kept?.authorizationRules ?? []).map(
    ({ claimType, claimValue, rights, keyName, primaryKey, secondaryKey }) =>
      [
        '<AuthorizationRule i:type="SharedAccessAuthorizationRule">',
        elements({ ClaimType: claimType, ClaimValue: claimValue }),
        `<Rights>${rights.map((right) => elements({ AccessRights: right })).join("")}</Rights>`,
        elements({ KeyName: keyName, PrimaryKey: primaryKey, SecondaryKey: secondaryKey }),
        "</AuthorizationRule>",
      ].join(""),
  );
  return rules.length === 0 ? "" : `<AuthorizationRules>${rules.join("")}</AuthorizationRules>`;
}

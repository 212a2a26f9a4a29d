/**
 * Fields that the service keeps for its clients and that change nothing here. They are answered as they were given, so
 * that a client that compares what is with what it wants finds no difference.
 */
import type {
  AuthorizationRule,
  KeptFields,
  QueueDescription,
  SubscriptionDescription,
} from "../engine/descriptions.ts";
import { child, childText, elements, type XmlElement } from "./xml.ts";

/** By entity, with the service's defaults. */
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

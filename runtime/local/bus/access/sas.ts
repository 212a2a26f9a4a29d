/** Shared access signatures: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas */
import { createHmac, timingSafeEqual } from "node:crypto";
import { BusError } from "../engine/errors.ts";

export interface SasKey {
  readonly name: string;
  readonly key: string;
}

const unauthorized = (reason: string): BusError => new BusError("unauthorized", `Unauthorized access: ${reason}.`);

/**
 * Checks signature, key name and expiry of a token.
 *
 * @returns the path that the token is for, lower case, without slashes at its ends. Empty: the whole namespace.
 * @throws BusError `unauthorized`
 */
export function verifySasToken(token: string, { name, key }: SasKey, now: number): string {
  const prefix = "SharedAccessSignature ";
  if (!token.startsWith(prefix) || token.length > 4_096)
    throw unauthorized("the token is not a shared access signature");
  const fields = new Map(token.slice(prefix.length).split("&").map(splitField));
  const [resource, signature, expiry, keyName] = ["sr", "sig", "se", "skn"].map((field) => fields.get(field));
  if (resource === undefined || signature === undefined || expiry === undefined || keyName === undefined) {
    throw unauthorized("the shared access signature is incomplete");
  }
  const expected = createHmac("sha256", key).update(`${resource}\n${expiry}`).digest();
  const given = Buffer.from(decode(signature), "base64");
  const signed = given.length === expected.length && timingSafeEqual(given, expected);
  if (decode(keyName) !== name || !signed) throw unauthorized("the shared access signature does not match the key");
  if (!(Number(expiry) * 1_000 > now)) throw unauthorized("the shared access signature has expired");
  return audiencePath(decode(resource));
}

/** The path of an audience, lower case. The administration client signs the whole address, with its query. */
export function audiencePath(audience: string): string {
  return audience
    .replace(/^(?:[a-z]+:\/\/)?[^/]*/i, "")
    .replace(/\?.*$/, "")
    .replace(/^\/+|\/+$/g, "")
    .toLowerCase();
}

/** Whether a grant for one path covers another. */
export const covers = (granted: string, path: string): boolean =>
  granted === "" || path === granted || path.startsWith(`${granted}/`);

function splitField(field: string): [string, string] {
  const at = field.indexOf("=");
  return [field.slice(0, at), field.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) throw unauthorized("the shared access signature is malformed");
    throw error;
  }
}

/** Which addresses a webhook may have, as far as the text tells; what its name resolves to is judged with every try. */
import { isAddress, isLoopbackAddress, isPublicAddress } from "./public-address.ts";
import { WEBHOOK_URL_MAX_LENGTH } from "./limits.ts";

export interface WebhookUrlRules {
  /** Also receivers on this machine, over http and at any port: for laptops and tests. */
  readonly allowLoopback: boolean;
}

/** What is wrong with it, as the rest of a sentence about the field; undefined: nothing. */
export function faultOfWebhookUrl(text: string, { allowLoopback }: WebhookUrlRules): string | undefined {
  if (text.length > WEBHOOK_URL_MAX_LENGTH) return `must have at most ${WEBHOOK_URL_MAX_LENGTH} characters`;
  const url = URL.parse(text);
  if (url === null) return "must be an address such as https://hooks.example.com/jobyard";
  if (url.username !== "" || url.password !== "") return "must not contain a user name or a password";
  if (url.hash !== "") return "must not have a fragment";
  const isHttp = url.protocol === "http:" || url.protocol === "https:";
  if (allowLoopback && isHttp && isLoopbackHost(hostOf(url))) return undefined;
  if (url.protocol !== "https:") return "must begin with https://";
  if (url.port !== "") return "must be at port 443";
  const host = hostOf(url);
  if (isAddress(host)) return isPublicAddress(host) ? undefined : "must not be an address of a private network";
  // One label is a name of the local network.
  return host.replace(/\.$/, "").includes(".") && host !== "localhost" ? undefined : "must name a public host";
}

/** Without the brackets of an IPv6 address. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");

export const isLoopbackHost = (host: string): boolean => host === "localhost" || isLoopbackAddress(host);

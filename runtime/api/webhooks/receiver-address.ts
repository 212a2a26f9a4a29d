/** Which addresses a webhook may have, as far as the text tells; what its name resolves to is judged with every try. */
import { Resolver } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import { WEBHOOK_URL_MAX_LENGTH } from "../../core/limits.ts";

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

// Which IP addresses belong to the public internet. What a tenant may have called in its name must not lead back into
// the machine, its network or the cloud's own services. IPv4 is open but for the registered exceptions, IPv6 is closed
// but for global unicast. https://www.iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry

interface Block {
  readonly first: bigint;
  readonly prefix: number;
}

const NOT_PUBLIC_IPV4 = [
  "0.0.0.0/8", // this network, unspecified
  "10.0.0.0/8", // private
  "100.64.0.0/10", // carrier-grade NAT; metadata of some clouds
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // Azure's own services, from within every virtual machine
  "169.254.0.0/16", // link-local, metadata
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.31.196.0/24", // AS112
  "192.52.193.0/24", // AMT
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16", // private
  "192.175.48.0/24", // AS112
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast
].map((text) => blockOf(text, parseIpv4));

/** All else is loopback, mapped or translated IPv4 (NAT64), unique local, link-local, multicast, or not given to anybody. */
const GLOBAL_UNICAST = blockOf("2000::/3", parseIpv6);

const NOT_PUBLIC_IPV6 = [
  "2001::/23", // protocol assignments: Teredo, benchmarks, ORCHID
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4: leads to the IPv4 address inside
  "2620:4f:8000::/48", // AS112
  "3fff::/20", // documentation
].map((text) => blockOf(text, parseIpv6));

const IPV4_BITS = 32;
const IPV6_BITS = 128;

/** Whether a literal address is public. False for any text that is no address, also one with a zone. */
export function isPublicAddress(text: string): boolean {
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) return !NOT_PUBLIC_IPV4.some((block) => isIn(ipv4, block, IPV4_BITS));
  const ipv6 = parseIpv6(text);
  if (ipv6 === undefined || !isIn(ipv6, GLOBAL_UNICAST, IPV6_BITS)) return false;
  return !NOT_PUBLIC_IPV6.some((block) => isIn(ipv6, block, IPV6_BITS));
}

/** Whether a text is a literal address at all. */
export const isAddress = (text: string): boolean => (parseIpv4(text) ?? parseIpv6(text)) !== undefined;

export function isLoopbackAddress(text: string): boolean {
  const ipv4 = parseIpv4(text);
  return ipv4 === undefined ? parseIpv6(text) === 1n : ipv4 >> 24n === 127n;
}

/** Four decimal numbers, without leading zeros that others read as octal. */
function parseIpv4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

/** Eight groups of hexadecimal digits, one run of zeros left out as `::`, the last two perhaps written as IPv4. */
function parseIpv6(text: string): bigint | undefined {
  const tail = /^(.*:)([^:]*\.[^:]*)$/.exec(text);
  const mapped = tail?.[2] === undefined ? undefined : parseIpv4(tail[2]);
  if (tail !== null && mapped === undefined) return undefined;
  const plain =
    mapped === undefined
      ? text
      : `${tail?.[1] ?? ""}${(mapped >> 16n).toString(16)}:${(mapped & 0xffffn).toString(16)}`;
  const halves = plain.split("::");
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string | undefined): readonly string[] => (half ? half.split(":") : []);
  const before = groupsOf(halves[0]);
  const after = groupsOf(halves[1]);
  const missing = 8 - before.length - after.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...before, ...Array.from({ length: missing }, () => "0"), ...after];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

function blockOf(text: string, parse: (address: string) => bigint | undefined): Block {
  const [address = "", prefix] = text.split("/");
  return { first: parse(address) ?? 0n, prefix: Number(prefix) };
}

const isIn = (address: bigint, { first, prefix }: Block, bits: number): boolean =>
  address >> BigInt(bits - prefix) === first >> BigInt(bits - prefix);

// Resolves the name of a receiver for the one connection that is about to be made, and gives no address that is not
// public. The connection goes to what was judged here, so that a name which resolves differently a moment later
// (rebinding) gains nothing.

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a name. Throws when it has none. */
export type ResolveName = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** That a receiver must not be called; the message may be shown to its tenant. */
class ReceiverRefusedError extends Error {
  override readonly name = "ReceiverRefusedError";
}

const DNS_TIMEOUT_MS = 2_000;
const DNS_TRIES = 2;

/**
 * Asks name servers, and not the system: its look-ups take threads that everything else needs too, for as long as a slow
 * name server likes, and know names of the local machine.
 */
export const resolveByDns: ResolveName = async (hostname) => {
  const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES });
  const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found: ResolvedAddress[] = [
    ...(ipv4.status === "fulfilled" ? ipv4.value.map((address) => ({ address, family: 4 as const })) : []),
    ...(ipv6.status === "fulfilled" ? ipv6.value.map((address) => ({ address, family: 6 as const })) : []),
  ];
  if (found.length === 0 && ipv4.status === "rejected") throw ipv4.reason;
  return found;
};

/** One address that is not public spoils the name: an honest one has none. */
export function createPublicLookup(resolve: ResolveName): LookupFunction {
  async function judged(hostname: string): Promise<ResolvedAddress[]> {
    const addresses = await resolve(hostname);
    if (addresses.length === 0) throw new ReceiverRefusedError(`${hostname} has no address.`);
    if (!addresses.every(({ address }) => isPublicAddress(address))) {
      throw new ReceiverRefusedError(`${hostname} resolves to an address that is not public.`);
    }
    return [...addresses];
  }
  return (hostname, { all }, callback) => {
    judged(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (all === true) callback(null, addresses);
        else if (first !== undefined) callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), ""),
    );
  };
}

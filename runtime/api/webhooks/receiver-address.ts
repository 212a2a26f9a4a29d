/** Which addresses a webhook may have: by the text of its URL, by the IP address, and by what a name resolves to. */
import { Resolver } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import { WEBHOOK_URL_MAX_LENGTH } from "../../core/limits.ts";

export interface WebhookUrlRules {
  /** Whether receivers on this machine are allowed, over http and at any port. For laptops and tests. */
  readonly allowLoopback: boolean;
}

/** What is wrong with a URL, as the rest of a sentence about the field. Undefined: nothing. */
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
  // A name without a dot belongs to the local network.
  return host.replace(/\.$/, "").includes(".") && host !== "localhost" ? undefined : "must name a public host";
}

/** Without the brackets of an IPv6 address. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");

export const isLoopbackHost = (host: string): boolean => host === "localhost" || isLoopbackAddress(host);

// --- Public IP addresses ---------------------------------------------------------------------------------------------

// A webhook must not lead into the machine, its network or the cloud's own services. IPv4 is allowed except for the
// registered exceptions. IPv6 is refused except for global unicast.
// https://www.iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry

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

/** The rest is loopback, mapped or translated IPv4 (NAT64), unique local, link-local, multicast, or not assigned. */
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

/** Whether an IP address is public. False for any other text, also for an address with a zone. */
export function isPublicAddress(text: string): boolean {
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) return !NOT_PUBLIC_IPV4.some((block) => isIn(ipv4, block, IPV4_BITS));
  const ipv6 = parseIpv6(text);
  if (ipv6 === undefined || !isIn(ipv6, GLOBAL_UNICAST, IPV6_BITS)) return false;
  return !NOT_PUBLIC_IPV6.some((block) => isIn(ipv6, block, IPV6_BITS));
}

/** Whether a text is an IP address. */
export const isAddress = (text: string): boolean => (parseIpv4(text) ?? parseIpv6(text)) !== undefined;

export function isLoopbackAddress(text: string): boolean {
  const ipv4 = parseIpv4(text);
  return ipv4 === undefined ? parseIpv6(text) === 1n : ipv4 >> 24n === 127n;
}

/** Four decimal numbers, without leading zeros: other parsers read those as octal. */
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

// --- Names -----------------------------------------------------------------------------------------------------------

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a name. Throws when it has none. */
export type ResolveName = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** The receiver must not be called. Its tenant may see the message. */
class ReceiverRefusedError extends Error {
  override readonly name = "ReceiverRefusedError";
}

const DNS_TIMEOUT_MS = 2_000;
const DNS_TRIES = 2;

/**
 * Queries name servers, not the system. Look-ups by the system occupy threads that other work needs, for as long as a name
 * server is slow, and they know names of the local machine.
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

/**
 * Resolves a name for one connection, and only to public addresses. The connection goes to the address that was checked, so a
 * name that resolves differently a moment later (rebinding) has no effect. One private address refuses the whole name.
 */
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

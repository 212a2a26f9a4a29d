/**
 * Resolves the name of a receiver for the one connection that is about to be made, and gives no address that is not
 * public. The connection goes to what was judged here, so that a name which resolves differently a moment later
 * (rebinding) gains nothing.
 */
import { Resolver } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import { isPublicAddress } from "../../core/public-address.ts";

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

/**
 * Addresses in the rehearsal's network: one for all public names, and in each recorded subnet those that Azure would
 * give.
 */

/** The address of all Azure host names, from the block that is reserved for documentation. */
export const PUBLIC_ADDRESS = "198.51.100.1";
export const METADATA_ADDRESS = "169.254.169.254";
/** The address where App Service gives apps the tokens of their identities. */
export const APP_IDENTITY_ADDRESS = "169.254.129.1";

/** Azure reserves the first three addresses of a subnet. */
const FIRST_USABLE = 4;

interface Prefix {
  readonly base: number;
  readonly bits: number;
}

function parsePrefix(text: string): Prefix {
  const [address = "", bits = ""] = text.split("/");
  return { base: numberOf(address), bits: Number(bits) };
}

const numberOf = (address: string): number =>
  address.split(".").reduce((number, part) => number * 256 + Number(part), 0);

const addressOf = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");

/** The gateway of a subnet, with the subnet's length. */
export function gatewayOf(prefix: string): { readonly address: string; readonly bits: number } {
  const { base, bits } = parsePrefix(prefix);
  return { address: addressOf(base + 1), bits };
}

/** The address of a subnet's n-th machine, from 0. */
export const memberAddress = (prefix: string, index: number): string =>
  addressOf(parsePrefix(prefix).base + FIRST_USABLE + index);

/** The id of the subnet that contains an address. */
export function subnetOf(subnets: ReadonlyMap<string, string>, address: string): string | undefined {
  const number = numberOf(address.replace(/^::ffff:/, ""));
  return [...subnets].find(([, text]) => {
    const { base, bits } = parsePrefix(text);
    return number >= base && number < base + 2 ** (32 - bits);
  })?.[0];
}

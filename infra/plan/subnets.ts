/** Divides the virtual network's address space into subnets. */

export interface AddressSpace {
  /** First address, as a 32-bit number. */
  readonly base: number;
  readonly prefix: number;
}

export interface SubnetPlan {
  /** The subnet of the API's outgoing traffic. */
  readonly api: string;
  /** By pool name. */
  readonly pools: ReadonlyMap<string, string>;
}

/** 1,024 addresses minus the five that Azure reserves: a pool of 800, with room to replace instances. */
const POOL_PREFIX = 22;
/** App Service needs 64 addresses for its largest plans. */
const API_PREFIX = 26;
const POOL_SIZE = 2 ** (32 - POOL_PREFIX);
/** The API has the first block of a pool's size. */
const RESERVED_BLOCKS = 1;

/** Reads `10.20.0.0/16`. Undefined if the text is not a private IPv4 network. */
export function parseAddressSpace(text: string): AddressSpace | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, prefix = 0] = match.slice(1).map(Number);
  if ([a, b, c, d].some((octet) => octet > 255) || prefix < 8 || prefix > 32) return undefined;
  const isPrivate =
    a === 10 || (a === 172 && b >= 16 && b <= 31 && prefix >= 12) || (a === 192 && b === 168 && prefix >= 16);
  const base = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  return isPrivate && base % 2 ** (32 - prefix) === 0 ? { base, prefix } : undefined;
}

/** The number of worker pools that fit into the address space. */
export const poolCapacity = ({ prefix }: AddressSpace): number =>
  Math.max(0, Math.floor(2 ** (32 - prefix) / POOL_SIZE) - RESERVED_BLOCKS);

/**
 * A pool's subnet depends only on its own number, from 0. Azure does not move a subnet that is in use, so a pool must
 * not change the place of another. Throws RangeError if the number does not fit.
 */
export function planSubnets(
  space: AddressSpace,
  pools: readonly { readonly name: string; readonly subnet: number }[],
): SubnetPlan {
  const block = (index: number, prefix: number): string => `${dotted(space.base + index * POOL_SIZE)}/${prefix}`;
  const ofPool = (subnet: number): string => {
    if (subnet < poolCapacity(space)) return block(subnet + RESERVED_BLOCKS, POOL_PREFIX);
    throw new RangeError(
      `The address space has room for ${poolCapacity(space)} worker pools, so subnet ${subnet} does not exist.`,
    );
  };
  return { api: block(0, API_PREFIX), pools: new Map(pools.map(({ name, subnet }) => [name, ofPool(subnet)])) };
}

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");

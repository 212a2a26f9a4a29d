/** Numbers in ids: Crockford's base 32 in lower case, which sorts as its value and has no letters mistaken for digits. */
export const BASE32_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

/** The last `length` digits. */
export function encodeBase32(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest >>= 5n) text = BASE32_DIGITS.charAt(Number(rest & 31n)) + text;
  return text;
}

/**
 * A lock token is a UUID. On the link it travels as the 16-byte delivery tag in the byte order of a .NET Guid; in
 * management requests and in what the SDK shows, in the order it is read.
 */

const GUID_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

export function tokenToTag(token: string): Buffer {
  const uuid = tokenToUuid(token);
  const tag = Buffer.allocUnsafe(16);
  for (let index = 0; index < 16; index++) tag[index] = uuid[GUID_ORDER[index] ?? 0] ?? 0;
  return tag;
}

export const tokenToUuid = (token: string): Buffer => Buffer.from(token.replaceAll("-", ""), "hex");

/** The text form of 16 bytes in reading order. */
export function uuidToToken(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

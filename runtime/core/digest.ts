/** Short texts that stand for long ones: the same from every process, and never the same for two in practice. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { encodeBase32 } from "./base32.ts";

/** SHA-256 of the parts, in hexadecimal. Where one part ends is part of what is hashed. */
export const digestOf = (...parts: readonly string[]): string => bytesToHex(digest(parts));

/** The same in letters and digits of ids, at most 50 of them: five bits each. */
export const digestDigits = (length: number, ...parts: readonly string[]): string =>
  encodeBase32(BigInt(`0x${bytesToHex(digest(parts))}`) & ((1n << BigInt(5 * length)) - 1n), length);

const digest = (parts: readonly string[]): Uint8Array => sha256(utf8ToBytes(JSON.stringify(parts)));

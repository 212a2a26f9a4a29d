/** A key no other call has: 128 random bits. Not `randomUUID`, which browsers give to pages over HTTPS only. */
export const newKey = (): string =>
  [...globalThis.crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

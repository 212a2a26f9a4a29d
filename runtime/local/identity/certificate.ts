/**
 * The issuer's TLS certificate. It is created at the first start and signed by an authority whose key is deleted at once,
 * so that it can sign nothing else. Only clients with the authority's file trust it.
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { generate } from "selfsigned";
import { readIfThere, writePrivateFile } from "../private-file.ts";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 24 * 60 * 60_000;
const VALID_MS = 397 * DAY_MS;
/** A certificate with less time left than this is replaced at the start. */
const RENEW_BEFORE_MS = 30 * DAY_MS;
/** A new certificate must be valid even if a clock is set back a little. */
const BACKDATED_MS = DAY_MS;

/** The authority's certificate, for clients. */
export const caFileOf = (directory: string): string => join(directory, "ca.pem");

/** The certificate kept in the folder, or a new one. */
export async function certificateIn(directory: string, now: number): Promise<Certificate> {
  const certFile = join(directory, "server.pem");
  const keyFile = join(directory, "server-key.pem");
  const [ca, cert, key] = await Promise.all([caFileOf(directory), certFile, keyFile].map(readIfThere));
  if (ca !== undefined && cert !== undefined && key !== undefined && isUsable({ ca, cert, key }, now))
    return { cert, key };

  const made = await makeCertificate(now, ["localhost"]);
  await writePrivateFile(keyFile, made.key);
  await writePrivateFile(certFile, made.cert);
  await writePrivateFile(caFileOf(directory), made.ca);
  return { cert: made.cert, key: made.key };
}

function isUsable({ ca, cert, key }: Certificate & { ca: string }, now: number): boolean {
  try {
    const authority = new X509Certificate(ca);
    const leaf = new X509Certificate(cert);
    const ends = Math.min(Date.parse(authority.validTo), Date.parse(leaf.validTo));
    return leaf.verify(authority.publicKey) && key.includes("PRIVATE KEY") && ends - now > RENEW_BEFORE_MS;
  } catch {
    return false;
  }
}

/** A certificate for these names and for loopback addresses, with the certificate of the authority that signed it. */
export async function makeCertificate(
  now: number,
  names: readonly string[],
): Promise<Certificate & { readonly ca: string }> {
  const terms = {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(now - BACKDATED_MS),
    notAfterDate: new Date(now + VALID_MS),
  } as const;
  const authority = await generate([{ name: "commonName", value: "Jobyard on this machine" }], {
    ...terms,
    extensions: [
      { name: "basicConstraints", cA: true, pathLenConstraint: 0, critical: true },
      { name: "keyUsage", keyCertSign: true, critical: true },
    ],
  });
  const leaf = await generate([{ name: "commonName", value: "localhost" }], {
    ...terms,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          ...names.map((value) => ({ type: 2 as const, value })),
          { type: 7, ip: "127.0.0.1" },
          { type: 7, ip: "::1" },
        ],
      },
    ],
  });
  return { ca: authority.cert, cert: leaf.cert, key: leaf.private };
}

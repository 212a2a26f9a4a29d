/** JSON over HTTPS with an end: own certificate authority, time and size limits, no redirects. */
import { request } from "node:https";

export interface HttpsJsonOptions {
  /** Certificate to trust instead of the system's; undefined: the system's. */
  readonly ca: string | undefined;
  /** For everything: connect, wait, read. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** Rejects when there is no complete JSON answer of status 200 in time. */
export function httpsJson(url: string, { ca, timeoutMs, maxBytes }: HttpsJsonOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      // No agent: nothing kept open between requests that are an hour apart.
      { agent: false, ...(ca !== undefined && { ca }), signal: AbortSignal.timeout(timeoutMs) },
      (response) => {
        if (response.statusCode !== 200) {
          response.destroy();
          reject(new Error(`The issuer answered ${String(response.statusCode)}.`));
          return;
        }
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > maxBytes) response.destroy(new Error(`The issuer answered with more than ${maxBytes} bytes.`));
        });
        response.once("error", reject);
        response.once("end", () => {
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()));
          } catch {
            reject(new Error("The issuer's answer is not JSON."));
          }
        });
      },
    );
    sent.once("error", reject);
    sent.end();
  });
}

/** `fetch` for programs that call the local issuer: its certificate is trusted for its own address, and nowhere else. */
import { request } from "node:https";
import { buffer } from "node:stream/consumers";

const ANSWER_WITHIN_MS = 10_000;

/** `ca`: the text of the issuer's `ca.pem`. All other requests go the platform's way. */
export function issuerFetch(authority: string, ca: string): (url: string, init?: RequestInit) => Promise<Response> {
  const { origin } = new URL(authority);
  return (url, init = {}) => (new URL(url).origin === origin ? viaHttps(url, init, ca) : fetch(url, init));
}

/** For the few, small requests of signing in: bodies are text, answers are read whole. */
function viaHttps(url: string, { method = "GET", headers, body, signal }: RequestInit, ca: string): Promise<Response> {
  const text = typeof body === "string" ? body : "";
  const limit = AbortSignal.timeout(ANSWER_WITHIN_MS);
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method,
        ca,
        agent: false,
        headers: { ...Object.fromEntries(new Headers(headers)), "content-length": String(Buffer.byteLength(text)) },
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      },
      (answer) => {
        const type = answer.headers["content-type"];
        buffer(answer)
          .then((content) =>
            resolve(
              new Response(new Uint8Array(content), {
                status: answer.statusCode ?? 500,
                headers: type === undefined ? {} : { "content-type": type },
              }),
            ),
          )
          .catch(reject);
      },
    );
    sent.once("error", reject);
    sent.end(text);
  });
}

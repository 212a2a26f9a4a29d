/**
 * Calls the local issuer. Signs a program in with client id and secret, and caches the token until shortly before it
 * expires. Trusts the issuer's certificate only for the issuer's address.
 */
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { buffer } from "node:stream/consumers";
import { API_CLIENT_ID, DIRECTORY_ID, type LocalApplication } from "./principals.ts";

/** Returns the value of an Authorization header. */
export type Authorize = () => Promise<string>;

export interface LocalIssuer {
  readonly authority: string;
  readonly caFile: string;
}

/** A token is renewed when less time is left. Longer than any request takes. */
const RENEW_BEFORE_MS = 5 * 60_000;
const ANSWER_WITHIN_MS = 10_000;

export function signInAs({ clientId, secret }: LocalApplication, { authority, caFile }: LocalIssuer): Authorize {
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: secret,
    scope: `api://${API_CLIENT_ID}/.default`,
  });
  let kept: { readonly header: Promise<string>; readonly until: number } | undefined;

  async function fetchHeader(): Promise<string> {
    const url = `${authority}/${DIRECTORY_ID}/oauth2/v2.0/token`;
    const answer = await postForm(url, form.toString(), await readFile(caFile, "utf8"));
    kept = kept && { ...kept, until: performance.now() + answer.expires_in * 1_000 - RENEW_BEFORE_MS };
    return `Bearer ${answer.access_token}`;
  }

  return () => {
    if (kept === undefined || performance.now() > kept.until) {
      const header = fetchHeader();
      kept = { header, until: Infinity };
      // The next call requests it again.
      header.catch(() => (kept = undefined));
    }
    return kept.header;
  };
}

interface Answer {
  readonly access_token: string;
  readonly expires_in: number;
}

function postForm(url: string, form: string, ca: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method: "POST",
        agent: false,
        ca,
        headers: { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(form) },
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.once("error", reject);
        response.once("end", () => {
          if (response.statusCode === 200) resolve(JSON.parse(text) as Answer);
          else reject(new Error(`The sign-in failed with status ${String(response.statusCode)}: ${text}`));
        });
      },
    );
    sent.once("error", reject);
    sent.end(form);
  });
}

/**
 * `fetch` for clients of the local issuer. `ca`: the text of the issuer's `ca.pem`. All other requests use the
 * platform's `fetch`.
 */
export function issuerFetch(authority: string, ca: string): (url: string, init?: RequestInit) => Promise<Response> {
  const { origin } = new URL(authority);
  return (url, init = {}) => (new URL(url).origin === origin ? viaHttps(url, init, ca) : fetch(url, init));
}

/** For the few, small requests of signing in: bodies are text, responses are read completely. */
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

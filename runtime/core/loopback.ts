/** Names and addresses that only this machine can reach, and the rule of HTTP servers that serve this machine only. */

/** For a setting, or a URL's `hostname`. Names are compared letter by letter: `localhost.evil.com` is not loopback. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);

export interface LocalOnlyOptions {
  /**
   * Which pages may change something. `"by-proof"`: every change needs a token or signature, which a foreign page does not
   * have. Else the origins of these pages are asked for; `host` is the request's Host header.
   */
  readonly changes: "by-proof" | ((origin: string, host: string) => boolean);
}

interface LocalRequest {
  readonly method?: string | undefined;
  readonly headers: {
    readonly host?: string | undefined;
    readonly origin?: string | undefined;
    readonly "sec-fetch-site"?: string | string[] | undefined;
  };
  /** Each header as often as it came. Node's `headers` has the first Host only. */
  readonly headersDistinct?: { readonly host?: readonly string[] | undefined };
}

interface LocalResponse {
  writeHead(status: number, headers: Readonly<Record<string, string>>): { end(text: string): unknown };
}

/** What is answered, by the reason. No operation of the API answers these. */
export const LOCAL_REFUSALS = {
  host: {
    status: 421,
    code: "HostRefused",
    message: "This server serves its own machine only: call it as localhost or 127.0.0.1.",
  },
  origin: {
    status: 403,
    code: "OriginRefused",
    message: "Without authentication, pages of other origins may not change anything here.",
  },
} as const;

/**
 * Wraps the listener of a server for this machine. A foreign web page in the user's browser can reach such a server: by
 * DNS rebinding, which shows in `Host`, or by a request whose answer it cannot read, which shows in `Origin` and
 * `Sec-Fetch-Site`. Both are refused before they reach the listener.
 */
export const localOnly =
  <Request extends LocalRequest, Response extends LocalResponse>(
    listener: (request: Request, response: Response) => unknown,
    options: LocalOnlyOptions,
  ) =>
  (request: Request, response: Response): void => {
    const reason = refusalOf(request, options);
    if (reason === undefined) {
      listener(request, response);
      return;
    }
    const { status, code, message } = LOCAL_REFUSALS[reason];
    response
      .writeHead(status, { "content-type": "application/json", connection: "close" })
      .end(JSON.stringify({ error: { code, message } }));
  };

/** An IPv6 address stands in brackets; no user name, no second host. */
const HOST_PATTERN = /^(?:(\[[0-9a-f:]+\])|([^\s:@/[\],]+))(?::\d{1,5})?$/i;
const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

function refusalOf({ method = "", headers, headersDistinct }: LocalRequest, { changes }: LocalOnlyOptions) {
  const { host = "", origin, "sec-fetch-site": site } = headers;
  if ((headersDistinct?.host?.length ?? 1) > 1) return "host";
  const [, address, name] = HOST_PATTERN.exec(host) ?? [];
  if (!isLoopback((address ?? name ?? "").toLowerCase())) return "host";
  if (changes === "by-proof" || READS.has(method)) return undefined;
  // Browsers set this themselves. "none": typed by the user.
  if (site === "same-origin" || site === "none") return undefined;
  if (origin !== undefined) return changes(origin, host) ? undefined : "origin";
  return site === "cross-site" ? "origin" : undefined;
}

/** The server's own pages, and those of these origins. */
export const pagesOf =
  (origins: readonly string[]) =>
  (origin: string, host: string): boolean =>
    origins.includes(origin) || URL.parse(origin)?.host === host;

/** Pages that this machine serves, at any port. */
export const pagesOfThisMachine = (origin: string): boolean => isLoopback(URL.parse(origin)?.hostname ?? "");

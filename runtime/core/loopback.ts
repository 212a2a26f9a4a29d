/** Names and addresses that only this machine can reach. */

/** Of a setting, or of a URL's `hostname`. A name is compared by its letters: `localhost.evil.com` is none. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);

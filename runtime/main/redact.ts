/**
 * Takes secrets out of a log line. Call sites give no secrets to the log. This is for texts of others: errors of SDKs and of
 * the network quote addresses with signatures, headers and connection strings.
 */

const GONE = "[redacted]";

/** Names whose values are secrets, in queries, in connection strings and in JSON. */
const NAMES = [
  ...["sig", "signature", "SharedAccessSignature", "SharedAccessKey", "AccountKey", "InstrumentationKey"],
  ...["access_token", "refresh_token", "id_token", "client_secret", "client_assertion", "device_code", "code_verifier"],
  ...["token", "ticket", "password", "secret", "api[-_]?key", "authorization"],
].join("|");

/** Lines are JSON, so a value ends before `"` or `\`. No rule needs more than one pass from left to right. */
const RULES: readonly (readonly [RegExp, string])[] = [
  // A whole query: no log line needs it, and every service has its own names for secrets.
  [/(\b(?:https?|wss?):\/\/[^\s"'\\?#]{1,500})\?[^\s"'\\#]+/gi, `$1?${GONE}`],
  [/(\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s"'\\/@]{1,500}@/gi, `$1${GONE}@`],
  [new RegExp(String.raw`\b(${NAMES})=(?!\[)[^\s"'\\&;,]+`, "gi"), `$1=${GONE}`],
  [new RegExp(String.raw`(\\?"(?:${NAMES})\\?"\s{0,2}:\s{0,2}\\?")[^"\\]+`, "gi"), `$1${GONE}`],
  [/\b(Bearer|Basic|SharedKey|SharedKeyLite)\s{1,3}[\w.~+/:=-]{16,}/gi, `$1 ${GONE}`],
  // Tokens and webhook secrets, wherever they are.
  [/\beyJ[\w-]{8,}\.[\w-]{2,}(?:\.[\w-]*){0,3}/g, GONE],
  [/\bwhsec_[\w+/=-]+/g, GONE],
];

export const redact = (line: string): string =>
  RULES.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), line);

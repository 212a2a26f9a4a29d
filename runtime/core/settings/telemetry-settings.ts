/** The settings of telemetry: where traces, metrics and logs go, and how many traces. */
import { type Environment, SettingsError, optional } from "./environment.ts";
import { SETTING } from "./names.ts";

export interface TelemetrySettings {
  /** Connection string of Application Insights, reached with the process's managed identity. Undefined: not exported there. */
  readonly azureMonitor: string | undefined;
  /** Undefined: not exported there. */
  readonly otlp: OtlpSettings | undefined;
  /** The part of traces without a sampled parent that are exported, from 0 to 1. Those with an error always are. */
  readonly traceRatio: number;
}

export interface OtlpSettings {
  /** Without `/v1/traces` and without a slash at its end. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
}

const TRACE_RATIO_DEFAULT = 0.05;

export const parseTelemetrySettings = (env: Environment): TelemetrySettings => ({
  azureMonitor: optional(env, SETTING.applicationInsights),
  otlp: parseOtlp(env),
  traceRatio: parseTraceRatio(env),
});

function parseOtlp(env: Environment): OtlpSettings | undefined {
  const text = optional(env, SETTING.otlpEndpoint);
  if (text === undefined) return undefined;
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? "")) {
    throw new SettingsError(`${SETTING.otlpEndpoint} must be an http or https address.`);
  }
  return { endpoint: text.replace(/\/+$/, ""), headers: parseHeaders(env) };
}

/** `name=value,name=value`, percent-encoded. The message does not repeat the text, which may hold a token. */
function parseHeaders(env: Environment): Readonly<Record<string, string>> {
  const pairs = (optional(env, SETTING.otlpHeaders) ?? "").split(",").filter((pair) => pair.trim() !== "");
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      const decoded = value === undefined ? undefined : decoding(value);
      if (name !== undefined && decoded !== undefined) return [name, decoded];
      throw new SettingsError(`${SETTING.otlpHeaders} must be name=value pairs, separated by commas.`);
    }),
  );
}

function decoding(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded; the caller reports it.
    return undefined;
  }
}

function parseTraceRatio(env: Environment): number {
  const text = optional(env, SETTING.traceRatio);
  if (text === undefined) return TRACE_RATIO_DEFAULT;
  const ratio = Number(text);
  if (text.trim() !== "" && ratio >= 0 && ratio <= 1) return ratio;
  throw new SettingsError(`${SETTING.traceRatio} must be a number from 0 to 1, not "${text}".`);
}

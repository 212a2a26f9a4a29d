/** Whose tokens count. */
import { type AuthSettings, DEFAULT_AUTHORITY } from "../auth-facts.ts";
import { isLoopback } from "../loopback.ts";
import { type Environment, SettingsError, optional, required } from "./environment.ts";
import { SETTING } from "./names.ts";

const GUID_PATTERN = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export function parseAuth(env: Environment): AuthSettings {
  const kind = env[SETTING.auth] ?? "entra";
  if (kind === "none") return { kind };
  if (kind !== "entra") throw new SettingsError(`${SETTING.auth} must be entra or none, not "${kind}".`);
  const authority = parseAuthority(env);
  const caFile = optional(env, SETTING.authCaFile);
  if (caFile !== undefined && !isLoopback(new URL(authority).hostname)) {
    throw new SettingsError(`${SETTING.authCaFile} is for an authority on this machine, not for ${authority}.`);
  }
  const publicClientId = optional(env, SETTING.authPublicClientId);
  return {
    kind,
    authority,
    tenantId: guid(SETTING.authTenantId, required(env, SETTING.authTenantId)),
    clientId: guid(SETTING.authClientId, required(env, SETTING.authClientId)),
    audiences: (optional(env, SETTING.authAudiences) ?? "").split(",").flatMap((text) => text.trim() || []),
    publicClientId: publicClientId && guid(SETTING.authPublicClientId, publicClientId),
    caFile,
  };
}

/** An https address without path: tokens must not be believed because of keys that came over an open line. */
function parseAuthority(env: Environment): string {
  const text = optional(env, SETTING.authAuthority) ?? DEFAULT_AUTHORITY;
  const url = URL.parse(text);
  if (url?.protocol === "https:" && url.origin === text.replace(/\/$/, "")) return url.origin;
  throw new SettingsError(`${SETTING.authAuthority} must be an https address without path, not "${text}".`);
}

function guid(setting: string, text: string): string {
  const id = text.toLowerCase();
  if (GUID_PATTERN.test(id)) return id;
  throw new SettingsError(`${setting} must be a GUID, not "${text}".`);
}

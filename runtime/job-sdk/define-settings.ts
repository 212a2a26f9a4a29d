/**
 * Declares what a package is told by its tenant: settings and secrets, and which services of Azure its jobs call.
 * `jobyard pack` reads the declarations from the source without running it, so their options are literals or constants.
 */
import type { JobContext } from "./job-context.ts";

export interface SettingOptions {
  /** Jobs run without it. Default: they are refused at submit while the tenant has given no value. */
  readonly optional?: boolean;
  /** Used while the tenant has given no value. Everyone who has the package can read it. */
  readonly default?: string;
  /** One line for the person who sets it. */
  readonly description?: string;
}

export type SecretOptions = Omit<SettingOptions, "default">;

/** Made by `secret`. */
export interface SecretSetting extends SecretOptions {
  readonly secret: true;
}

/** A setting whose value is kept apart, never shown again, and taken out of logs. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no option at all
export const secret = <const Options extends SecretOptions = {}>(
  options?: Options,
): Options & { readonly secret: true } => ({ ...(options as Options), secret: true });

/** By name: capital letters, digits and underscores. */
export type SettingDeclarations = Readonly<Record<string, SettingOptions | SecretSetting>>;

/** The values of a job: text, or undefined for an optional one that is not set. */
export type SettingValues<Declared extends SettingDeclarations> = {
  readonly [Name in keyof Declared]: Declared[Name] extends { readonly optional: true } ? string | undefined : string;
};

export interface Settings<Declared extends SettingDeclarations> {
  readonly declared: Declared;
  /** The values of this job or setup, with their types. */
  of(context: Pick<JobContext, "settings">): SettingValues<Declared>;
}

/**
 * Declares the settings of a package. Export it from any source file; a package has one:
 *
 * ```ts
 * export const settings = defineSettings({
 *   SMTP_HOST: { description: "The server that sends the mail." },
 *   SMTP_PORT: { default: "25" },
 *   API_KEY: secret(),
 * });
 * ```
 *
 * A job reads them from its context: `const { SMTP_HOST, API_KEY } = settings.of(context)`.
 */
export const defineSettings = <const Declared extends SettingDeclarations>(declared: Declared): Settings<Declared> => ({
  declared,
  of: ({ settings }) => settings as SettingValues<Declared>,
});

export interface IdentityOptions {
  /**
   * The services of Azure that jobs call, by the audience of their tokens: `https://management.azure.com`,
   * `https://vault.azure.net`, `https://storage.azure.com`.
   */
  readonly audiences: readonly string[];
}

/**
 * Declares that the jobs of a package use the Azure identity of their pool, and what for. Export it from any source file; a
 * package has one. A job gets tokens by `context.credential`, where an administrator has granted the tenant the audience.
 */
export const defineIdentity = <const Options extends IdentityOptions>(options: Options): Options => options;

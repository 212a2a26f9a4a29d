/** The settings that a package declares in its manifest. Each tenant gives their values; the package never has them. */
import { z } from "zod";
import {
  SETTING_DESCRIPTION_MAX_LENGTH,
  SETTING_NAME_MAX_LENGTH,
  SETTING_VALUE_MAX_BYTES,
  SETTINGS_MAX_COUNT,
} from "../limits.ts";
import { matching, oneLine, strictObject } from "./manifest-fields.ts";

export interface ManifestSetting {
  readonly name: string;
  /** Its value is kept apart, and is never shown again. Default: false. */
  readonly secret?: boolean | undefined;
  /** Jobs run without it. Default: false. */
  readonly optional?: boolean | undefined;
  /** Used while the tenant has given no value. Not for secrets, because everyone who has the package could read it. */
  readonly default?: string | undefined;
  /** One line for the person who sets it. */
  readonly description?: string | undefined;
}

/** What must be known of a setting without the manifest. */
export interface DeclaredSetting {
  readonly name: string;
  readonly secret: boolean;
  /** A job does not start without a value. */
  readonly required: boolean;
}

/** As an environment variable has it. No dot: it is the end of a table's key and a field of JSON. */
export const SETTING_NAME_PATTERN = new RegExp(`^(?=.{1,${SETTING_NAME_MAX_LENGTH}}$)[A-Z][A-Z0-9_]*$`);
export const SETTING_NAME_RULE = `1 to ${SETTING_NAME_MAX_LENGTH} capital letters, digits and underscores, a letter first`;

/** Tabs and line breaks are the only controls: a value is text, and no text needs others. */
const REFUSED = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Why a text cannot be the value of a setting, as the end of a sentence; undefined: it can. Never repeats it. */
export function settingValueProblem(value: string): string | undefined {
  if (value === "") return "must not be empty";
  if (new TextEncoder().encode(value).byteLength > SETTING_VALUE_MAX_BYTES) {
    return `must have at most ${SETTING_VALUE_MAX_BYTES} bytes`;
  }
  if (REFUSED.test(value) || !value.isWellFormed()) return "must be text without control characters";
  return undefined;
}

const defaultValue = z.string("expected a text").superRefine((value, context) => {
  const problem = settingValueProblem(value);
  if (problem !== undefined) context.addIssue({ code: "custom", message: `expected a value; it ${problem}` });
});

const flag = z.boolean("expected true or false");

export const settingNameSchema = matching(SETTING_NAME_PATTERN, SETTING_NAME_RULE);

const optionFields = {
  secret: flag.optional(),
  optional: flag.optional(),
  default: defaultValue.optional(),
  description: oneLine(SETTING_DESCRIPTION_MAX_LENGTH).optional(),
};

type SettingOptions = Omit<ManifestSetting, "name">;

function refuseSecretDefault({ secret, default: value }: SettingOptions, context: z.RefinementCtx): void {
  if (secret !== true || value === undefined) return;
  const message = "expected no default: everyone who has the package could read this secret";
  context.addIssue({ code: "custom", path: ["default"], message });
}

/** What the source of a package says about one setting, by its name. */
export const settingOptionsSchema = strictObject(optionFields).superRefine(refuseSecretDefault);

const manifestSetting = strictObject({ name: settingNameSchema, ...optionFields }).superRefine(refuseSecretDefault);

export const manifestSettings = z
  .array(manifestSetting, "expected a list of settings")
  .max(SETTINGS_MAX_COUNT, `expected at most ${SETTINGS_MAX_COUNT} settings`)
  .superRefine((settings, context) => {
    const names = new Set<string>();
    settings.forEach(({ name }, index) => {
      if (names.has(name)) {
        context.addIssue({
          code: "custom",
          path: [index, "name"],
          message: `expected names that differ; ${name} is there twice`,
        });
      }
      names.add(name);
    });
  });

export const declaredSetting = (setting: ManifestSetting): DeclaredSetting => ({
  name: setting.name,
  secret: setting.secret === true,
  required: setting.optional !== true && setting.default === undefined,
});

/** For a submitter, or the author of the job: what to do. */
export const missingText = (tenantName: string, packageName: string, missing: readonly string[]): string =>
  `Package ${packageName} needs ${missing.join(", ")}, which the tenant ${tenantName} has not given. ` +
  `Set ${missing.length === 1 ? "it" : "each"}: jobyard settings set ${packageName} ${missing[0] ?? ""}.`;

/** The names of required settings without a value, in the order of their declaration. */
export function missingSettings(declared: readonly DeclaredSetting[], given: ReadonlySet<string>): readonly string[] {
  return declared.filter(({ name, required }) => required && !given.has(name)).map(({ name }) => name);
}

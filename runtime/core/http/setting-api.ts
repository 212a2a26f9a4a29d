/** Settings of packages in requests and answers of the web API. A secret's value is in no answer. */
import * as z from "zod";
import { SETTING_NAME_PATTERN, SETTING_NAME_RULE, settingValueProblem } from "../package/manifest-settings.ts";
import type { DeclaredSetting } from "../package/manifest-settings.ts";
import type { Setting } from "../ports/setting-store.ts";
import { packageParams } from "./package-api.ts";
import type { Frozen } from "./views.ts";

const settingName = z
  .string()
  .regex(SETTING_NAME_PATTERN, `must be ${SETTING_NAME_RULE}`)
  .meta({ description: "Names the setting within its package.", examples: ["SMTP_HOST"] });

export const settingParams = packageParams.extend({ settingName });

export const putSettingSchema = z
  .strictObject({
    value: z
      .string()
      .superRefine((value, context) => {
        const problem = settingValueProblem(value);
        if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
      })
      .meta({ description: "Text of up to 16 KiB." }),
    secret: z.boolean().optional().meta({
      description: "Keep it as a secret. Default: as the current version of the package declares it; else false.",
    }),
  })
  .meta({ id: "PutSetting" });

export const settingViewSchema = z
  .object({
    tenantName: z.string(),
    packageName: z.string(),
    settingName: z.string(),
    secret: z.boolean(),
    declared: z.boolean().meta({ description: "The current version of the package reads it." }),
    required: z.boolean().meta({ description: "Jobs of the package are refused while it has no value." }),
    isSet: z.boolean().meta({ description: "The tenant has given a value." }),
    value: z.string().optional().meta({ description: "Absent for a secret, and without a value." }),
    version: z.int().min(1).optional().meta({ description: "Grows each time it is set." }),
    setAt: z.iso.datetime().optional(),
    setBy: z.string().optional(),
  })
  .meta({ id: "Setting", description: "What a tenant gives to the jobs of a package. Secrets are never shown." });

export const settingsSchema = z
  .object({ items: z.array(settingViewSchema) })
  .meta({ id: "Settings", description: "By name: what the package declares, and what the tenant has given." });

export type PutSettingBody = Readonly<z.input<typeof putSettingSchema>>;
export type SettingView = Frozen<z.infer<typeof settingViewSchema>>;

interface Sources {
  readonly tenantName: string;
  readonly packageName: string;
  readonly declared: readonly DeclaredSetting[];
  readonly given: readonly Setting[];
}

export function settingViews({ declared, given, ...names }: Sources): readonly SettingView[] {
  const found = new Set([...declared, ...given].map(({ name }) => name));
  return [...found].sort().map((name) =>
    settingView(
      { ...names, name },
      declared.find((one) => one.name === name),
      given.find((one) => one.name === name),
    ),
  );
}

export const settingView = (
  {
    tenantName,
    packageName,
    name,
  }: { readonly tenantName: string; readonly packageName: string; readonly name: string },
  declared: DeclaredSetting | undefined,
  given: Setting | undefined,
): SettingView => ({
  tenantName,
  packageName,
  settingName: name,
  secret: declared?.secret === true || given?.secretId !== undefined,
  declared: declared !== undefined,
  required: declared?.required ?? false,
  isSet: given !== undefined,
  // Given in the open before a later version declared it a secret: not shown from then on.
  ...(given?.value !== undefined && declared?.secret !== true && { value: given.value }),
  ...(given !== undefined && {
    version: given.version,
    setAt: given.setAt.toISOString(),
    setBy: given.setBy,
  }),
});

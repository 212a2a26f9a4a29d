/** Operations on the settings of a tenant's packages: list, set, remove. */
import { NotFoundError } from "../../core/errors.ts";
import { packageParams } from "../../core/http/package-api.ts";
import {
  putSettingSchema,
  settingParams,
  settingsSchema,
  settingView,
  settingViews,
  settingViewSchema,
} from "../../core/http/setting-api.ts";
import type { PackageCatalog } from "../../core/ports/package-store.ts";
import type { SettingStore } from "../../core/ports/setting-store.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import { type SettingCommands, noSuchSetting } from "../setting-commands.ts";

export interface SettingOperationDeps {
  readonly settings: Pick<SettingStore, "of">;
  readonly packages: Pick<PackageCatalog, "get">;
  readonly settingCommands: SettingCommands;
}

export const settingOperations = (deps: SettingOperationDeps): readonly Operation[] => [
  listSettings(deps),
  putSetting(deps),
  deleteSetting(deps),
];

const listSettings = ({ settings, packages }: SettingOperationDeps) =>
  operation({
    id: "listSettings",
    method: "get",
    path: "/v1/tenants/{tenantName}/packages/{packageName}/settings",
    tag: "Packages",
    summary: "List the settings of a package",
    description:
      "Settings that the current version of the package declares, and those that the tenant has given. Values of secrets " +
      "are not shown. The package need not be published yet.",
    needs: "manage",
    params: packageParams,
    responses: { 200: { description: "By name.", schema: settingsSchema } },
    errors: [],
    async handle({ caller, params }) {
      const { tenantName, packageName } = params;
      // A tenant of others answers like a tenant without settings.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      const [stored, given] = await Promise.all([
        packages.get(tenantName, packageName),
        settings.of(tenantName, packageName),
      ]);
      return { status: 200, body: { items: settingViews({ ...params, declared: stored?.settings ?? [], given }) } };
    },
  });

const putSetting = ({ packages, settingCommands }: SettingOperationDeps) =>
  operation({
    id: "putSetting",
    method: "put",
    path: "/v1/tenants/{tenantName}/packages/{packageName}/settings/{settingName}",
    tag: "Packages",
    summary: "Set a setting of a package",
    description:
      "Jobs that start later get the value, within 10 seconds. The value of a secret can be replaced and used, and never " +
      "read again. A setting that the package declares as a secret is kept as one, whatever the request says. Without `secret`, another one is kept as before.",
    needs: "manage",
    params: settingParams,
    body: jsonBody(putSettingSchema),
    responses: { 200: { description: "The setting with its new version.", schema: settingViewSchema } },
    errors: ["TenantNotFound", "TooManySettings", "SecretsUnavailable"],
    async handle({ caller, params, body: { value, secret }, changed }) {
      const { tenantName, packageName, settingName: name } = params;
      if (!caller.mayUse(tenantName)) throw noSuchTenant(tenantName);
      const declared = (await packages.get(tenantName, packageName))?.settings?.find((one) => one.name === name);
      const key = { tenantName, packageName, name };
      const isSecret = declared?.secret === true || secret;
      const made = await settingCommands.set({ ...key, value, secret: isSecret, setBy: caller.name });
      // Versions only: a value may be a secret that was not declared as one.
      const { version, secretId } = made;
      changed({ before: { version: version - 1 }, after: { version, secret: secretId !== undefined } });
      return { status: 200, body: settingView(key, declared, made) };
    },
  });

const deleteSetting = ({ settingCommands }: SettingOperationDeps) =>
  operation({
    id: "deleteSetting",
    method: "delete",
    path: "/v1/tenants/{tenantName}/packages/{packageName}/settings/{settingName}",
    tag: "Packages",
    summary: "Remove the value of a setting",
    description: "Jobs that start later run with its default or without it. Without a required one they are refused.",
    needs: "manage",
    params: settingParams,
    responses: { 204: { description: "Removed." } },
    errors: ["SettingNotFound"],
    async handle({ caller, params: { tenantName, packageName, settingName: name }, changed }) {
      if (!caller.mayUse(tenantName)) throw noSuchSetting(name);
      const { version, secretId } = await settingCommands.unset({ tenantName, packageName, name }, caller.name);
      changed({ before: { version, secret: secretId !== undefined } });
      return { status: 204 };
    },
  });

const noSuchTenant = (tenantName: string): NotFoundError =>
  new NotFoundError("TenantNotFound", `There is no tenant ${tenantName} for this caller.`);

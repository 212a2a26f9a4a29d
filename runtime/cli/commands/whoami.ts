/** `jobyard whoami`: shows the caller and its access. */
import type { MeView } from "../../client/index.ts";
import { connect, counted, show, type RemoteOptions } from "../command.ts";
import { describeQuotas } from "./quotas.ts";
import { table } from "../table.ts";
import type { Surroundings, Terminal } from "../terminal.ts";

export async function whoami(options: RemoteOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const me = await (await connect(options, around)).monitoring.getMe({ signal });
  show(terminal, options, me, () => describe(me, terminal));
}

function describe(
  { name, kind, principalId, roles, grants, allTenants, pauses = [], quotas = [] }: MeView,
  { columns }: Terminal,
): string {
  const tenants = table(
    ["tenant", "access"],
    grants.map(({ tenantName, access }) => [tenantName, access]),
    { columns: columns - 2, empty: "" },
  );
  return [
    `${name}${kind === undefined ? "" : `, ${kind === "user" ? "a user" : "an application"}`}`,
    ...(principalId === undefined ? [] : [`  object id ${principalId}`]),
    ...(kind === undefined ? [] : [`  app roles ${roles.length === 0 ? "none" : roles.join(", ")}`]),
    ...(allTenants ? ["  tenants   all"] : grants.length === 0 ? ["  tenants   none granted yet"] : []),
    ...(pauses.length === 0 ? [] : [`  paused    ${counted(pauses.length, "pause")}: jobyard pauses lists them`]),
    ...quotas.map((one) => `\n${describeQuotas(one)}`),
    ...(tenants === "" ? [] : ["", ...tenants.split("\n").map((line) => `  ${line}`)]),
  ].join("\n");
}

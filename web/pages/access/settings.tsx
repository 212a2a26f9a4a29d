/** Settings and names of secrets by package, and the identities of pools that the tenant's jobs may use. */
import { Link } from "wouter";
import { shellWord } from "../../components/copy.tsx";
import { DataTable, type Column } from "../../components/data-table.tsx";
import { Empty } from "../../components/empty.tsx";
import { Shown } from "../../components/error-note.tsx";
import { StateMark } from "../../components/state-mark.tsx";
import { Ago } from "../../components/times.tsx";
import { counted } from "../../components/time-text.ts";
import { useIdentityGrants } from "../../data/access.ts";
import { usePackages, useSettings } from "../../data/packages.ts";
import type { IdentityGrantView, PackageView } from "../../../runtime/client/index.ts";
import { packageHref } from "../packages.tsx";

interface TabProps {
  readonly tenantName: string;
  readonly refused: string | undefined;
}

const SETTING_COLUMNS: readonly Column<PackageView>[] = [
  {
    id: "package",
    title: "Package",
    width: "34%",
    cell: ({ tenantName, packageName }) => (
      <Link className="name" href={packageHref(tenantName, packageName, "settings")}>
        {packageName}
      </Link>
    ),
  },
  { id: "names", title: "Settings, by name", cell: (one) => <Names of={one} /> },
];

export function PackageSettings({ tenantName, refused }: TabProps) {
  const { items, error, onEnd, refresh } = usePackages(tenantName);
  if (refused !== undefined) return <Empty title="Settings are not shown">{refused}</Empty>;
  return (
    <Shown error={error} isRead={items !== undefined} what="The packages cannot be shown." onRetry={refresh}>
      <DataTable
        label="Settings by package"
        columns={SETTING_COLUMNS}
        rows={items}
        keyOf={({ packageName }) => packageName}
        hrefOf={(one) => packageHref(tenantName, one.packageName, "settings")}
        onEnd={onEnd}
        empty={
          <Empty
            title="No packages yet"
            cli={`jobyard settings set mail API_KEY --secret --tenant ${shellWord(tenantName)}`}
          >
            Settings belong to a package. They can be given before it is published.
          </Empty>
        }
        foot="Values of secrets are in no answer of the API. Open a package to set one."
      />
    </Shown>
  );
}

/** Read when its row comes into view. */
function Names({ of }: { readonly of: PackageView }) {
  const { data, error } = useSettings(of, true);
  if (error !== null) return <StateMark state="failed" word={error.message} />;
  if (data === undefined) return null;
  if (data.length === 0) return <span className="muted">none</span>;
  const missing = data.filter(({ required, isSet }) => required && !isSet).length;
  const names = data.map(({ settingName, secret }) => `${settingName}${secret ? " (secret)" : ""}`).join(", ");
  return (
    <span title={names}>
      {missing > 0 ? <StateMark state="failed" word={`${counted(missing, "value")} missing`} /> : null} {names}
    </span>
  );
}

const IDENTITY_COLUMNS: readonly Column<IdentityGrantView>[] = [
  { id: "pool", title: "Pool", width: "22%", cell: ({ pool }) => <span className="name">{pool}</span> },
  {
    id: "audiences",
    title: "Services",
    cell: ({ audiences }) => <span title={audiences.join("\n")}>{audiences.join(", ")}</span>,
  },
  {
    id: "granted",
    title: "Granted",
    width: "210px",
    hide: "small",
    cell: ({ grantedAt, grantedBy }) => (
      <>
        <Ago at={grantedAt} /> <span className="muted">by {grantedBy}</span>
      </>
    ),
  },
];

export function Identities({ tenantName, refused }: TabProps) {
  const { data, error, refetch } = useIdentityGrants(tenantName, refused === undefined);
  if (refused !== undefined) return <Empty title="Identities are not shown">{refused}</Empty>;
  return (
    <Shown
      error={error}
      isRead={data !== undefined}
      what="The identities cannot be shown."
      onRetry={() => void refetch()}
    >
      <DataTable
        label="Identities"
        columns={IDENTITY_COLUMNS}
        rows={data}
        keyOf={({ pool }) => pool}
        empty={
          <Empty
            title="Its jobs use no identity of a pool"
            cli={`jobyard identities ${shellWord(tenantName)} --grant <pool> --audiences https://management.azure.com`}
          >
            An administrator lets jobs on a pool get tokens of the pool&apos;s identity, for services that he names.
          </Empty>
        }
      />
    </Shown>
  );
}

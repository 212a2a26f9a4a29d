/** The kept versions of a package, newest first, with how many of their latest jobs failed. */
import { DialogButton } from "../../components/action-dialog.tsx";
import { CopyButton, shellWord } from "../../components/copy.tsx";
import { DataTable, type Column } from "../../components/data-table.tsx";
import { Empty } from "../../components/empty.tsx";
import { Shown } from "../../components/error-note.tsx";
import { StateMark } from "../../components/state-mark.tsx";
import { Ago } from "../../components/times.tsx";
import { bytesText, counted, numberText } from "../../components/time-text.ts";
import {
  RATED_JOBS_MAX,
  usePackageActions,
  usePackageVersions,
  useVersionRates,
  type PackageName,
  type VersionRate,
} from "../../data/packages.ts";
import type { PackageVersionView } from "../../../runtime/client/index.ts";

interface VersionsProps {
  readonly name: PackageName;
  readonly refused: string | undefined;
}

export function Versions({ name, refused }: VersionsProps) {
  const { data, error, refetch } = usePackageVersions(name);
  const rates = useVersionRates(name).data;
  const columns: readonly Column<PackageVersionView>[] = [
    {
      id: "version",
      title: "Version",
      width: "124px",
      cell: ({ sha256 }) =>
        sha256 === undefined ? (
          "unknown"
        ) : (
          <>
            <code title={sha256}>{sha256.slice(0, 7)}</code>
            <CopyButton text={sha256} what={`the hash ${sha256.slice(0, 7)}`} />
          </>
        ),
    },
    { id: "published", title: "Published", width: "104px", cell: ({ uploadedAt }) => <Ago at={uploadedAt} /> },
    { id: "by", title: "By", hide: "small", cell: ({ uploadedBy }) => uploadedBy },
    { id: "size", title: "Size", width: "96px", isNumber: true, hide: "small", cell: ({ bytes }) => bytesText(bytes) },
    {
      id: "failed",
      title: "Failed lately",
      width: "140px",
      isNumber: true,
      hide: "medium",
      cell: ({ sha256 = "" }) => rateText(rates?.get(sha256)),
    },
    {
      id: "act",
      title: "Actions",
      width: "112px",
      isNumber: true,
      cell: ({ sha256, isCurrent }) =>
        isCurrent ? (
          <StateMark state="succeeded" word="current" />
        ) : sha256 === undefined ? null : (
          <Restore name={name} sha256={sha256} refused={refused} />
        ),
    },
  ];
  return (
    <Shown
      error={error}
      isRead={data !== undefined}
      what="The versions cannot be shown."
      onRetry={() => void refetch()}
    >
      <DataTable
        label="Versions"
        columns={columns}
        rows={data}
        keyOf={({ sha256, uploadedAt }) => `${sha256 ?? ""}${uploadedAt}`}
        empty={<Empty title="No version is kept" />}
        foot={`"Failed lately" counts the tenant's latest ${numberText(RATED_JOBS_MAX)} jobs.`}
      />
    </Shown>
  );
}

const rateText = (rate: VersionRate | undefined): string =>
  rate === undefined ? "" : `${numberText(rate.failed)} of ${counted(rate.ended, "job")}`;

function Restore({ name, sha256, refused }: VersionsProps & { readonly sha256: string }) {
  const { tenantName, packageName } = name;
  const { restore } = usePackageActions(tenantName);
  const short = sha256.slice(0, 7);
  return (
    <DialogButton
      verb="Restore"
      kind="quiet"
      refused={refused}
      cli={`jobyard packages restore ${shellWord(packageName)} ${short} --tenant ${shellWord(tenantName)}`}
      action={async () => {
        await restore.mutateAsync({ packageName, sha256 });
        return `${short} is the current version.`;
      }}
    >
      Version {short} becomes the current one. Jobs that start later run it. Its timers replace those of the version
      before.
    </DialogButton>
  );
}

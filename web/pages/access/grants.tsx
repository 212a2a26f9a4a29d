/** Grants of a tenant: who may act for it, and how far. */
import { useState } from "react";
import { DialogButton } from "../../components/action-dialog.tsx";
import { Id, shellWord } from "../../components/copy.tsx";
import { DataTable, type Column } from "../../components/data-table.tsx";
import { Empty } from "../../components/empty.tsx";
import { Shown } from "../../components/error-note.tsx";
import { TextField } from "../../components/field.tsx";
import { Ago } from "../../components/times.tsx";
import { useAccessActions, useGrants } from "../../data/access.ts";
import { TENANT_ACCESS, type TenantAccess } from "../../../runtime/core/http/access.ts";
import type { GrantView } from "../../../runtime/client/index.ts";

interface GrantsProps {
  readonly tenantName: string;
  readonly refused: string | undefined;
}

/** What each access adds to the one before. */
const MEANS: Readonly<Record<TenantAccess, string>> = {
  read: "sees jobs, logs and files",
  submit: "submits, cancels and requeues too",
  manage: "publishes, sets and registers too",
};

export function Grants({ tenantName, refused }: GrantsProps) {
  const { data, error, refetch } = useGrants(tenantName, refused === undefined);
  if (refused !== undefined) return <Empty title="Grants are not shown">{refused}</Empty>;
  return (
    <Shown error={error} isRead={data !== undefined} what="The grants cannot be shown." onRetry={() => void refetch()}>
      <div className="stack">
        <div className="row">
          <span className="muted">A change takes effect on every instance within 30 seconds.</span>
          <span className="end">
            <PutGrant tenantName={tenantName} grant={undefined} />
          </span>
        </div>
        <DataTable
          label="Grants"
          columns={COLUMNS}
          rows={data}
          keyOf={({ principalId }) => principalId}
          empty={
            <Empty
              title="Nobody has a grant"
              cli={`jobyard grants ${shellWord(tenantName)} --grant <object id> --access submit --name "Ada (accounting)"`}
            >
              Administrators need none. Everybody else acts for a tenant by a grant.
            </Empty>
          }
        />
      </div>
    </Shown>
  );
}

const COLUMNS: readonly Column<GrantView>[] = [
  { id: "name", title: "Who", cell: ({ name }) => <span className="name">{name}</span> },
  {
    id: "access",
    title: "Access",
    width: "88px",
    cell: ({ access }) => <span title={MEANS[access]}>{access}</span>,
  },
  {
    id: "id",
    title: "Object id",
    width: "220px",
    hide: "medium",
    cell: ({ principalId }) => <Id id={principalId} what="the object id" />,
  },
  {
    id: "granted",
    title: "Granted",
    width: "180px",
    hide: "medium",
    cell: ({ grantedAt, grantedBy }) => (
      <>
        <Ago at={grantedAt} /> <span className="muted">by {grantedBy}</span>
      </>
    ),
  },
  {
    id: "act",
    title: "Actions",
    width: "196px",
    isNumber: true,
    cell: (grant) => (
      <>
        <Revoke grant={grant} />
        <PutGrant tenantName={grant.tenantName} grant={grant} />
      </>
    ),
  },
];

function PutGrant({ tenantName, grant }: { readonly tenantName: string; readonly grant: GrantView | undefined }) {
  const [principalId, setId] = useState(grant?.principalId ?? "");
  const [name, setName] = useState(grant?.name ?? "");
  const [access, setAccess] = useState<TenantAccess>(grant?.access ?? "submit");
  const actions = useAccessActions();
  return (
    <DialogButton
      kind={grant === undefined ? "primary" : "quiet"}
      button={grant === undefined ? "Grant access" : "Change"}
      title={grant === undefined ? `Grant access to ${tenantName}` : `Access of ${grant.name} to ${tenantName}`}
      cli={`jobyard grants ${shellWord(tenantName)} --grant ${shellWord(principalId === "" ? "<object id>" : principalId)} --access ${access} --name ${shellWord(name === "" ? "<name>" : name)}`}
      verb="Grant"
      problem={principalId === "" || name === "" ? "It needs an object id and a name." : undefined}
      action={async () => {
        await actions.grant.mutateAsync({ tenantName, principalId, access, name });
        return `${name} has the grant "${access}" on ${tenantName}.`;
      }}
    >
      {grant === undefined ? (
        <TextField
          label="Object id of the user or of the application's service principal"
          value={principalId}
          onChange={(value) => setId(value.trim().toLowerCase())}
          placeholder="00000000-0000-0000-0000-000000000000"
        />
      ) : null}
      <TextField label="A name for people" value={name} onChange={setName} placeholder="Ada (accounting)" />
      <fieldset className="choices">
        <legend>Access; each includes the ones before it</legend>
        {TENANT_ACCESS.map((one) => (
          <label key={one} className="row">
            <input type="radio" name="access" checked={access === one} onChange={() => setAccess(one)} />
            {one} <span className="muted">{MEANS[one]}</span>
          </label>
        ))}
      </fieldset>
    </DialogButton>
  );
}

function Revoke({ grant: { tenantName, principalId, name } }: { readonly grant: GrantView }) {
  const { revoke } = useAccessActions();
  return (
    <DialogButton
      verb="Revoke"
      kind="quiet"
      isDangerous
      cli={`jobyard grants ${shellWord(tenantName)} --revoke ${shellWord(principalId)}`}
      action={async () => {
        await revoke.mutateAsync({ tenantName, principalId });
        return `${name} has no grant on ${tenantName} any more.`;
      }}
    >
      {name} can no longer act for {tenantName}. It takes effect within 30 seconds.
    </DialogButton>
  );
}

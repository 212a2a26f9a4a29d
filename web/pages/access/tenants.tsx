/** All tenants, for administrators: create and delete. */
import { useState } from "react";
import { Link } from "wouter";
import { href } from "../../components/address.ts";
import { DialogButton } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { DataTable, type Column } from "../../components/data-table.tsx";
import { Empty } from "../../components/empty.tsx";
import { Shown } from "../../components/error-note.tsx";
import { TextField } from "../../components/field.tsx";
import { Ago } from "../../components/times.tsx";
import { useAccessActions, useTenantList } from "../../data/access.ts";
import { useLimitActions } from "../../data/limits.ts";
import { WEIGHT_MAX } from "../../../runtime/core/limits.ts";
import type { TenantView } from "../../../runtime/client/index.ts";
import { numberProblem } from "./number-problem.ts";

const COLUMNS: readonly Column<TenantView>[] = [
  {
    id: "tenant",
    title: "Tenant",
    cell: ({ tenantName }) => (
      <Link className="name" href={href("/access", { tenant: tenantName })}>
        {tenantName}
      </Link>
    ),
  },
  { id: "by", title: "Created by", width: "30%", hide: "small", cell: ({ createdBy }) => createdBy },
  { id: "at", title: "Created", width: "110px", isNumber: true, cell: ({ createdAt }) => <Ago at={createdAt} /> },
  { id: "weight", title: "Weight", width: "84px", isNumber: true, hide: "small", cell: ({ weight }) => weight },
  {
    id: "act",
    title: "Actions",
    width: "164px",
    isNumber: true,
    cell: (tenant) => (
      <>
        <Weigh tenant={tenant} />
        <Delete tenantName={tenant.tenantName} />
      </>
    ),
  },
];

export function Tenants({ refused }: { readonly refused: string | undefined }) {
  const { items, error, onEnd, refresh } = useTenantList(refused === undefined);
  if (refused !== undefined) return <Empty title="Tenants are not shown">{refused}</Empty>;
  return (
    <Shown error={error} isRead={items !== undefined} what="The tenants cannot be shown." onRetry={refresh}>
      <div className="stack">
        <div className="row">
          <span className="end">
            <Create />
          </span>
        </div>
        <DataTable
          label="Tenants"
          columns={COLUMNS}
          rows={items}
          keyOf={({ tenantName }) => tenantName}
          hrefOf={({ tenantName }) => href("/access", { tenant: tenantName })}
          onEnd={onEnd}
          empty={
            <Empty title="No tenants yet" cli="jobyard tenants --create acme">
              Everything belongs to a tenant: jobs, packages, timers, settings.
            </Empty>
          }
        />
      </div>
    </Shown>
  );
}

function Create() {
  const [name, setName] = useState("");
  const { createTenant } = useAccessActions();
  return (
    <DialogButton
      button="Create a tenant"
      title="Create a tenant"
      kind="primary"
      cli={`jobyard tenants --create ${shellWord(name === "" ? "<name>" : name)}`}
      verb="Create"
      problem={name === "" ? "Give it a name." : undefined}
      action={async () => {
        await createTenant.mutateAsync(name);
        return `The tenant ${name} exists.`;
      }}
    >
      <TextField label="Name" value={name} onChange={setName} placeholder="acme" />
    </DialogButton>
  );
}

/** Of the slots that tenants compete for. */
function Weigh({ tenant: { tenantName, weight } }: { readonly tenant: TenantView }) {
  const [text, setText] = useState(String(weight));
  const { weigh } = useLimitActions(tenantName);
  const problem = numberProblem(text, 1, WEIGHT_MAX);
  return (
    <DialogButton
      button="Weigh"
      title={`The share of ${tenantName}`}
      verb="Set the weight"
      kind="quiet"
      problem={problem}
      onOpen={() => setText(String(weight))}
      cli={`jobyard tenants --weigh ${shellWord(tenantName)} --weight ${problem === undefined ? text : "<number>"}`}
      action={async () => {
        await weigh.mutateAsync(Number(text));
        return `${tenantName} has the weight ${text}.`;
      }}
    >
      <TextField label="Weight" type="number" value={text} onChange={setText} problem={problem} />
      <p className="muted">
        While tenants compete, each gets slots in proportion to its weight: three for each one of a tenant with weight
        1. What it does not use goes to the others.
      </p>
    </DialogButton>
  );
}

function Delete({ tenantName }: Pick<TenantView, "tenantName">) {
  const { deleteTenant } = useAccessActions();
  return (
    <DialogButton
      verb="Delete"
      kind="quiet"
      isDangerous
      cli={`jobyard tenants --delete ${shellWord(tenantName)}`}
      action={async () => {
        await deleteTenant.mutateAsync(tenantName);
        return `The tenant ${tenantName} is deleted.`;
      }}
    >
      The tenant {tenantName}, its grants, webhooks, settings and timers are removed. Its batches, jobs and packages
      stay, and only an administrator can reach them.
    </DialogButton>
  );
}

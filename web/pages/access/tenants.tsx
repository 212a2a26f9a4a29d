/** All tenants, for administrators: create and delete. */
import { useState } from "react";
import { Link } from "wouter";
import { ActionButton } from "../../components/action-button.tsx";
import { href } from "../../components/address.ts";
import { ConfirmButton } from "../../components/confirm.tsx";
import { shellWord } from "../../components/copy.tsx";
import { DataTable, type Column } from "../../components/data-table.tsx";
import { Empty } from "../../components/empty.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { FormDialog, TextField } from "../../components/form-dialog.tsx";
import { Ago } from "../../components/times.tsx";
import { useToast } from "../../components/toast.tsx";
import { useAccessActions, useTenantList } from "../../data/access.ts";
import type { TenantView } from "../../../runtime/client/index.ts";

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
  {
    id: "act",
    title: "Actions",
    width: "96px",
    isNumber: true,
    cell: ({ tenantName }) => <Delete tenantName={tenantName} />,
  },
];

export function Tenants({ refused }: { readonly refused: string | undefined }) {
  const { items, error, hasMore, loadMore, refresh } = useTenantList(refused === undefined);
  if (refused !== undefined) return <Empty title="Tenants are not shown">{refused}</Empty>;
  if (error !== null) return <ErrorNote error={error} what="The tenants cannot be shown." onRetry={refresh} />;
  return (
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
        onEnd={hasMore ? loadMore : undefined}
        empty={
          <Empty title="No tenants yet" cli="jobyard tenants --create acme">
            Everything belongs to a tenant: jobs, packages, timers, settings.
          </Empty>
        }
      />
    </div>
  );
}

function Create() {
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState("");
  const toast = useToast();
  const { createTenant } = useAccessActions();
  return (
    <>
      <ActionButton kind="primary" onPress={() => setOpen(true)}>
        Create a tenant
      </ActionButton>
      <FormDialog
        title="Create a tenant"
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        cli={`jobyard tenants --create ${shellWord(name === "" ? "<name>" : name)}`}
        verb="Create"
        refused={name === "" ? "Give it a name." : undefined}
        action={async () => {
          await createTenant.mutateAsync(name);
          toast.show({ kind: "good", text: `The tenant ${name} exists.` });
        }}
      >
        <TextField label="Name" value={name} onChange={setName} placeholder="acme" />
      </FormDialog>
    </>
  );
}

function Delete({ tenantName }: Pick<TenantView, "tenantName">) {
  const { deleteTenant } = useAccessActions();
  return (
    <ConfirmButton
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
    </ConfirmButton>
  );
}

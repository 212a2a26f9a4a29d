/** What holds a tenant: pauses of it and of its job types, quotas with what it has used, and how long its jobs are kept. */
import { useJobTypes } from "../../data/package-choices.ts";
import { useAccess } from "../../data/session.ts";
import { Pauses } from "../pauses/pauses.tsx";
import { Quotas } from "./quotas.tsx";
import { Retention } from "./retention.tsx";

export function Limits({ tenantName }: { readonly tenantName: string }) {
  const manage = useAccess("manage", tenantName).reason;
  const operate = useAccess("operate").reason;
  return (
    <div className="stack">
      <div className="two">
        <Pauses
          title="Paused"
          kinds={["type", "tenant"]}
          tenantName={tenantName}
          jobTypes={useJobTypes(tenantName)}
          refused={manage}
        />
        <Quotas tenantName={tenantName} refused={operate} />
      </div>
      <Retention tenantName={tenantName} refused={manage} />
    </div>
  );
}

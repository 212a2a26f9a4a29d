/** Who may do what: grants of a tenant, settings of its packages, identities of pools, the audit, all tenants. */
import { PageHead } from "../components/page-head.tsx";
import { Tabs } from "../components/tabs.tsx";
import { useAccess, useTenant } from "../data/session.ts";
import { Audit } from "./access/audit.tsx";
import { Grants } from "./access/grants.tsx";
import { Limits } from "./access/limits.tsx";
import { Identities, PackageSettings } from "./access/settings.tsx";
import { Tenants } from "./access/tenants.tsx";

export function Page() {
  const tenantName = useTenant() ?? "";
  const operate = useAccess("operate").reason;
  const manage = useAccess("manage", tenantName).reason;
  return (
    <>
      <PageHead title="Tenants and access">
        <span className="muted">{tenantName}</span>
      </PageHead>
      <Tabs
        label="Of this tenant"
        first={operate === undefined ? "grants" : "limits"}
        tabs={[
          { id: "grants", title: "Grants", content: () => <Grants tenantName={tenantName} refused={operate} /> },
          { id: "limits", title: "Limits", content: () => <Limits tenantName={tenantName} /> },
          {
            id: "settings",
            title: "Settings and secrets",
            content: () => <PackageSettings tenantName={tenantName} refused={manage} />,
          },
          {
            id: "identities",
            title: "Identities",
            content: () => <Identities tenantName={tenantName} refused={manage} />,
          },
          { id: "audit", title: "Audit", content: () => <Audit tenantName={tenantName} refused={manage} /> },
          { id: "tenants", title: "Tenants", content: () => <Tenants refused={operate} /> },
          { id: "system", title: "System audit", content: () => <Audit tenantName={undefined} refused={operate} /> },
        ]}
      />
    </>
  );
}

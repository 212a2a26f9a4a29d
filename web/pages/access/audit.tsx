/** The audit: who changed what through the API, newest first. The filter is in the address. */
import { useState } from "react";
import { useParam } from "../../components/address.ts";
import { CliLine, Id, shellWord } from "../../components/copy.tsx";
import { DataTable, type Column } from "../../components/data-table.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { Empty } from "../../components/empty.tsx";
import { Shown } from "../../components/error-note.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Facts } from "../../components/panel.tsx";
import { StateMark, type ShownState } from "../../components/state-mark.tsx";
import { Ago, At } from "../../components/times.tsx";
import { useAudit } from "../../data/access.ts";
import type { AuditEntryView } from "../../../runtime/client/index.ts";

const OUTCOMES: Readonly<Record<AuditEntryView["outcome"], ShownState>> = {
  done: "succeeded",
  refused: "canceled",
  failed: "failed",
};

interface AuditProps {
  /** Undefined: changes that belong to no tenant. */
  readonly tenantName: string | undefined;
  readonly refused: string | undefined;
}

export function Audit({ tenantName, refused }: AuditProps) {
  const [actor, setActor] = useParam("actor");
  const [operation, setOperation] = useParam("operation");
  const [opened, setOpened] = useState<AuditEntryView>();
  const { items, error, onEnd, refresh } = useAudit(tenantName, { actor, operation }, refused === undefined);
  if (refused !== undefined) return <Empty title="The audit is not shown">{refused}</Empty>;
  const cli = [
    `jobyard audit ${tenantName === undefined ? "--system" : `--tenant ${shellWord(tenantName)}`}`,
    actor === undefined ? undefined : `--actor ${shellWord(actor)}`,
    operation === undefined ? undefined : `--operation ${shellWord(operation)}`,
  ];
  const columns: readonly Column<AuditEntryView>[] = [
    {
      id: "outcome",
      title: "Outcome",
      width: "108px",
      cell: ({ outcome }) => <StateMark state={OUTCOMES[outcome]} word={outcome} />,
    },
    { id: "at", title: "When", width: "96px", hide: "small", cell: ({ at }) => <Ago at={at} /> },
    {
      id: "actor",
      title: "Who",
      width: "24%",
      cell: ({ actor: name }) => <Chosen text={name} onChoose={setActor} />,
    },
    {
      id: "operation",
      title: "Operation",
      width: "24%",
      cell: ({ operation: name }) => <Chosen text={name} onChoose={setOperation} />,
    },
    { id: "subject", title: "What", hide: "medium", cell: ({ subject }) => factsText(subject) },
    {
      id: "more",
      title: "More",
      width: "96px",
      isNumber: true,
      cell: (entry) => (
        <button type="button" className="btn quiet" onClick={() => setOpened(entry)}>
          Details
        </button>
      ),
    },
  ];
  return (
    <div className="stack">
      <div className="filters">
        {actor === undefined ? null : <Filter name="who" value={actor} onRemove={() => setActor(undefined)} />}
        {operation === undefined ? null : (
          <Filter name="operation" value={operation} onRemove={() => setOperation(undefined)} />
        )}
        {actor === undefined && operation === undefined ? (
          <span className="muted">A click on a name or an operation filters by it.</span>
        ) : null}
      </div>
      <Shown error={error} isRead={items !== undefined} what="The audit cannot be shown." onRetry={refresh}>
        <DataTable
          label="Audit"
          columns={columns}
          rows={items}
          keyOf={({ requestId, at, operation: name }) => `${at}${requestId}${name}`}
          onEnd={onEnd}
          empty={
            <Empty title="No changes">Changes through the API are listed here, also those that were refused.</Empty>
          }
        />
      </Shown>
      <CliLine line={cli.filter((part) => part !== undefined).join(" ")} />
      <Dialog title={opened?.operation ?? ""} isOpen={opened !== undefined} onClose={() => setOpened(undefined)} isWide>
        {opened === undefined ? null : <Entry entry={opened} />}
      </Dialog>
    </div>
  );
}

const factsText = (facts: AuditEntryView["subject"]) => {
  const text = Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");
  return <span title={text}>{text}</span>;
};

const Chosen = ({ text, onChoose }: { readonly text: string; readonly onChoose: (text: string) => void }) => (
  <button type="button" className="as-text" title={`Only ${text}`} onClick={() => onChoose(text)}>
    {text}
  </button>
);

interface FilterProps {
  readonly name: string;
  readonly value: string;
  readonly onRemove: () => void;
}

const Filter = ({ name, value, onRemove }: FilterProps) => (
  <button type="button" className="chip" aria-pressed="true" onClick={onRemove}>
    {name}: {value} <span aria-hidden="true">×</span>
    <span className="hidden">, remove this filter</span>
  </button>
);

const Entry = ({ entry }: { readonly entry: AuditEntryView }) => (
  <>
    <Facts
      of={[
        ["", <StateMark key="o" state={OUTCOMES[entry.outcome]} word={entry.outcome} />],
        ["Code", entry.code && <code key="c">{entry.code}</code>],
        ["At", <At key="a" at={entry.at} />],
        ["By", entry.actor],
        ["", entry.actorKind],
        ["Object id", entry.actorId && <Id key="i" id={entry.actorId} what="the object id" />],
        ["From", entry.from],
        ["Request", <Id key="r" id={entry.requestId} what="the request's id" />],
      ]}
    />
    <JsonView
      value={{ subject: entry.subject, before: entry.before, after: entry.after }}
      what="what was changed, before and after"
    />
  </>
);

/** Settings of a package by name: what it declares, what the tenant has given. Values of secrets are never shown. */
import { useState } from "react";
import { ActionButton } from "../../components/action-button.tsx";
import { ActionDialog, DialogButton } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { DataTable, type Column } from "../../components/data-table.tsx";
import { Empty } from "../../components/empty.tsx";
import { Shown } from "../../components/error-note.tsx";
import { TextField } from "../../components/field.tsx";
import { StateMark } from "../../components/state-mark.tsx";
import { Ago } from "../../components/times.tsx";
import { usePackageActions, useSettings, type PackageName } from "../../data/packages.ts";
import type { SettingView } from "../../../runtime/client/index.ts";

interface SettingsProps {
  readonly name: PackageName;
  readonly refused: string | undefined;
}

export function Settings({ name, refused }: SettingsProps) {
  const { tenantName, packageName } = name;
  const { data, error, refetch } = useSettings(name, refused === undefined);
  const columns: readonly Column<SettingView>[] = [
    { id: "name", title: "Setting", cell: ({ settingName }) => <code>{settingName}</code> },
    { id: "value", title: "Value", width: "30%", cell: (setting) => <SettingValue setting={setting} /> },
    {
      id: "set",
      title: "Set",
      width: "180px",
      hide: "medium",
      cell: ({ setAt, setBy }) =>
        setAt === undefined ? null : (
          <>
            <Ago at={setAt} /> <span className="muted">by {setBy}</span>
          </>
        ),
    },
    {
      id: "act",
      title: "Actions",
      width: "136px",
      isNumber: true,
      cell: (setting) => (
        <>
          {setting.isSet ? <Unset setting={setting} /> : null}
          <SetSetting name={name} setting={setting} refused={refused} />
        </>
      ),
    },
  ];
  if (refused !== undefined) return <Empty title="Settings are not shown">{refused}</Empty>;
  return (
    <Shown
      error={error}
      isRead={data !== undefined}
      what="The settings cannot be shown."
      onRetry={() => void refetch()}
    >
      <div className="stack">
        <div className="row">
          <span className="muted">Jobs that start later get a new value.</span>
          <span className="end">
            <SetSetting name={name} setting={undefined} refused={refused} />
          </span>
        </div>
        <DataTable
          label="Settings"
          columns={columns}
          rows={data}
          keyOf={({ settingName }) => settingName}
          empty={
            <Empty
              title="No settings"
              cli={`jobyard settings set ${shellWord(packageName)} SMTP_HOST --value mail.example.com --tenant ${shellWord(tenantName)}`}
            >
              This package declares none, and none is given.
            </Empty>
          }
        />
      </div>
    </Shown>
  );
}

function SettingValue({ setting: { secret, isSet, required, value } }: { readonly setting: SettingView }) {
  if (!isSet) return required ? <StateMark state="failed" word="missing" /> : <span className="muted">not set</span>;
  return secret ? <span className="muted">secret, set</span> : <code title={value}>{value}</code>;
}

function SetSetting({ name, setting, refused }: SettingsProps & { readonly setting: SettingView | undefined }) {
  const { tenantName, packageName } = name;
  const [isOpen, setOpen] = useState(false);
  const [settingName, setName] = useState(setting?.settingName ?? "");
  const [value, setValue] = useState("");
  const [secret, setSecret] = useState(setting?.secret ?? false);
  const { set } = usePackageActions(tenantName);
  const verb = setting === undefined ? "Set another" : "Set";
  return (
    <>
      <ActionButton kind={setting === undefined ? undefined : "quiet"} refused={refused} onPress={() => setOpen(true)}>
        {verb}
        {setting === undefined ? null : <span className="hidden"> {settingName}</span>}
      </ActionButton>
      <ActionDialog
        title={setting === undefined ? `A setting of ${packageName}` : `Set ${settingName}`}
        isOpen={isOpen}
        onClose={() => {
          // A secret does not stay in the page.
          setValue("");
          setOpen(false);
        }}
        cli={`jobyard settings set ${shellWord(packageName)} ${shellWord(settingName === "" ? "<name>" : settingName)} ${secret ? "--secret" : `--value ${shellWord(value === "" ? "<text>" : value)}`} --tenant ${shellWord(tenantName)}`}
        verb="Set"
        problem={settingName === "" ? "Give it a name." : undefined}
        action={async () => {
          await set.mutateAsync({ packageName, settingName, value, secret });
          return `${settingName} is set.`;
        }}
      >
        {setting === undefined ? <TextField label="Name" value={settingName} onChange={setName} /> : null}
        <TextField label="Value" type={secret ? "password" : "text"} value={value} onChange={setValue} />
        <label className="row">
          <input
            type="checkbox"
            checked={secret}
            disabled={setting?.secret === true}
            onChange={(event) => setSecret(event.target.checked)}
          />
          Keep it as a secret: it can be replaced and used, and never read again
        </label>
      </ActionDialog>
    </>
  );
}

function Unset({ setting: { tenantName, packageName, settingName } }: { readonly setting: SettingView }) {
  const { unset } = usePackageActions(tenantName);
  return (
    <DialogButton
      verb="Remove"
      kind="quiet"
      isDangerous
      cli={`jobyard settings unset ${shellWord(packageName)} ${shellWord(settingName)} --tenant ${shellWord(tenantName)}`}
      action={async () => {
        await unset.mutateAsync({ packageName, settingName });
        return `${settingName} is removed.`;
      }}
    >
      Jobs that start later run with the default of {settingName}, or without it. If it is required, they are refused.
    </DialogButton>
  );
}

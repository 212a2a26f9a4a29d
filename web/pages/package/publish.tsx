/** Publishes a ZIP that is dropped on the page or chosen. The API judges it before it is published. */
import { useState, type DragEvent, type ReactNode } from "react";
import { ActionButton } from "../../components/action-button.tsx";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { TextField } from "../../components/field.tsx";
import { useToast } from "../../components/toast.tsx";
import { bytesText } from "../../components/time-text.ts";
import { usePackageActions } from "../../data/packages.ts";
import { PACKAGE_MAX_BYTES } from "../../../runtime/core/limits.ts";

interface PublishProps {
  readonly tenantName: string;
  /** Of the package that is replaced; undefined: the file's name. */
  readonly packageName?: string;
  readonly refused: string | undefined;
  /** The page that files can be dropped on. */
  readonly children: (button: ReactNode) => ReactNode;
}

export function Publish({ tenantName, packageName, refused, children }: PublishProps) {
  const [isOpen, setOpen] = useState(false);
  const [isOver, setOver] = useState(false);
  const [file, setFile] = useState<File>();
  const [name, setName] = useState(packageName ?? "");
  const toast = useToast();
  const { publish } = usePackageActions(tenantName);
  const take = (taken: File | undefined): void => {
    if (taken === undefined) return;
    setFile(taken);
    setName(packageName ?? taken.name);
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    if (refused !== undefined) {
      toast.show({ kind: "bad", text: refused });
      return;
    }
    take(event.dataTransfer.files[0]);
    setOpen(true);
  };
  const act = async (): Promise<string | undefined> => {
    if (file === undefined) return undefined;
    const zip = new Uint8Array(await file.arrayBuffer());
    const { sha256, warnings, timers } = await publish.mutateAsync({ packageName: name, zip });
    const also = timers.length === 0 ? "" : ` Timers: ${timers.join(", ")}.`;
    for (const text of warnings ?? []) toast.show({ kind: "bad", text });
    setFile(undefined);
    return `${name} is published as ${sha256?.slice(0, 7) ?? "a new version"}.${also}`;
  };
  return (
    <div
      className="drop"
      data-over={isOver || undefined}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget))) setOver(false);
      }}
      onDrop={onDrop}
    >
      {children(
        <ActionButton kind="primary" refused={refused} onPress={() => setOpen(true)}>
          {packageName === undefined ? "Publish a package" : "Publish a version"}
        </ActionButton>,
      )}
      <ActionDialog
        title={packageName === undefined ? "Publish a package" : `Publish a version of ${packageName}`}
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        cli={`jobyard publish ${shellWord(file?.name ?? "<zip>")} --tenant ${shellWord(tenantName)}${file === undefined || name === file.name ? "" : ` --name ${shellWord(name)}`}`}
        verb="Publish"
        problem={problemOf(file, name)}
        action={act}
      >
        <label className="field">
          <span>A ZIP from `jobyard pack`; it can be dropped on the page too</span>
          <input
            className="input"
            type="file"
            accept=".zip,application/zip"
            onChange={(event) => take(event.target.files?.[0])}
          />
        </label>
        <p className="muted" role="status">
          {file === undefined ? "No file is chosen." : `${file.name}, ${bytesText(file.size)}`}
        </p>
        {packageName === undefined ? <TextField label="Name, as jobs call it" value={name} onChange={setName} /> : null}
        <p className="muted">
          Every file of it is checked first. Jobs that start later run this version; the one before is kept.
        </p>
      </ActionDialog>
    </div>
  );
}

function problemOf(file: File | undefined, name: string): string | undefined {
  if (file === undefined) return "Choose a ZIP first.";
  if (file.size > PACKAGE_MAX_BYTES)
    return `The file has ${bytesText(file.size)}. A package has at most ${bytesText(PACKAGE_MAX_BYTES)}.`;
  return name === "" ? "Give it a name." : undefined;
}

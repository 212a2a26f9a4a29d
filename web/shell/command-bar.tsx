/** Ctrl-K: goes to a page, or to a job or batch by its id. `?` shows the keys. */
import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { batchHref, href, jobHref } from "../components/address.ts";
import { Dialog } from "../components/dialog.tsx";
import { Icon, type IconName } from "../components/icon.tsx";
import { parseBatchId, parseJobId } from "../../runtime/core/job/ids.ts";
import { ROUTES } from "../routes.ts";
import { isTyping } from "./keys.ts";

interface Target {
  readonly href: string;
  readonly title: string;
  readonly icon: IconName;
  readonly keys?: string;
}

export function CommandBar({ tenantName }: { readonly tenantName: string | undefined }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      const isCommand = event.key === "k" && (event.ctrlKey || event.metaKey);
      if (!isCommand && (event.key !== "?" || isTyping(event))) return;
      event.preventDefault();
      setOpen(true);
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  return (
    <>
      <button type="button" className="search" onClick={() => setOpen(true)}>
        <Icon name="search" size={14} />
        <span>Search or jump to…</span>
        <kbd>Ctrl K</kbd>
      </button>
      <Dialog title="Jump to" isOpen={isOpen} onClose={() => setOpen(false)}>
        <Jump tenantName={tenantName} onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function Jump({ tenantName, onDone }: { readonly tenantName: string | undefined; readonly onDone: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [, navigate] = useLocation();
  const targets = targetsOf(text.trim(), tenantName);
  const current = targets[Math.min(at, targets.length - 1)];
  const go = (target: Target): void => {
    onDone();
    navigate(target.href);
  };
  return (
    <>
      <input
        className="input"
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="jump-targets"
        aria-activedescendant={current === undefined ? undefined : `jump-${current.href}`}
        aria-label="A page, or the id of a job or batch"
        placeholder="A page, or the id of a job or batch"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && current !== undefined) go(current);
          else if (event.key === "ArrowDown") setAt(Math.min(at + 1, targets.length - 1));
          else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
          else return;
          event.preventDefault();
        }}
      />
      <div id="jump-targets" role="listbox" aria-label="Where to">
        {targets.map((target) => (
          <div
            key={target.href}
            id={`jump-${target.href}`}
            role="option"
            aria-selected={target === current}
            className="menu-item"
            data-focused={target === current || undefined}
            onClick={() => go(target)}
          >
            <Icon name={target.icon} />
            <span className="cut">{target.title}</span>
            {target.keys === undefined ? null : (
              <span className="end">
                <kbd>g</kbd> <kbd>{target.keys}</kbd>
              </span>
            )}
          </div>
        ))}
        {targets.length === 0 ? <p className="muted">Nothing has this name.</p> : null}
      </div>
      <p className="muted small">
        In lists: <kbd>j</kbd> <kbd>k</kbd> move, <kbd>x</kbd> selects, <kbd>Enter</kbd> opens. <kbd>Esc</kbd> closes.
      </p>
    </>
  );
}

function targetsOf(text: string, tenantName: string | undefined): readonly Target[] {
  if (parseJobId(text) !== undefined) return [{ href: jobHref(text), title: `Job ${text}`, icon: "jobs" }];
  if (parseBatchId(text) !== undefined) return [{ href: batchHref(text), title: `Batch ${text}`, icon: "batches" }];
  return ROUTES.flatMap(({ path, title, nav }) =>
    nav !== undefined && title.toLowerCase().includes(text.toLowerCase())
      ? [{ href: href(path, { tenant: tenantName }), title, icon: nav.icon, keys: nav.key }]
      : [],
  );
}

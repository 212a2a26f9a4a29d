/** Tabs. Which one is shown is in the address, as `?tab=log`. */
import type { ReactNode } from "react";
import { Tab, TabList, TabPanel, Tabs as AriaTabs } from "react-aria-components";
import { useParam } from "./address.ts";

export interface TabSpec {
  readonly id: string;
  readonly title: string;
  /** Beside the title. */
  readonly count?: number | undefined;
  readonly content: () => ReactNode;
}

export interface TabsProps {
  readonly label: string;
  readonly tabs: readonly TabSpec[];
  /** Shown when the address names none. */
  readonly first: string;
}

export function Tabs({ label, tabs, first }: TabsProps) {
  const [named, setNamed] = useParam("tab");
  const shown = tabs.some(({ id }) => id === named) ? named : first;
  return (
    <AriaTabs
      selectedKey={shown ?? first}
      onSelectionChange={(key) => setNamed(key === first ? undefined : String(key))}
    >
      <TabList className="tabs" aria-label={label}>
        {tabs.map(({ id, title, count }) => (
          <Tab key={id} id={id} className="tab">
            {title}
            {count === undefined ? null : <span className="muted"> {count}</span>}
          </Tab>
        ))}
      </TabList>
      {tabs.map(({ id, content }) => (
        <TabPanel key={id} id={id}>
          {id === shown ? content() : null}
        </TabPanel>
      ))}
    </AriaTabs>
  );
}

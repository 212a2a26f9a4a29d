/** A button that opens a list of choices. */
import type { ReactNode } from "react";
import { Button, Menu as AriaMenu, MenuItem, MenuTrigger, Popover } from "react-aria-components";

export interface MenuChoice {
  readonly id: string;
  readonly text: ReactNode;
  /** For typing ahead, when `text` is more than text. */
  readonly textValue?: string;
  readonly isSelected?: boolean;
  readonly onChoose: () => void;
}

export interface MenuProps {
  /** What is on the button. */
  readonly children: ReactNode;
  /** Names the button for screen readers, when it has no words. */
  readonly label?: string;
  readonly choices: readonly MenuChoice[];
  readonly className?: string;
}

export const Menu = ({ children, label, choices, className = "btn" }: MenuProps) => (
  <MenuTrigger>
    <Button className={className} {...(label !== undefined && { "aria-label": label })}>
      {children}
    </Button>
    <Popover>
      <AriaMenu
        className="menu"
        selectionMode={choices.some(({ isSelected }) => isSelected !== undefined) ? "single" : "none"}
        selectedKeys={choices.filter(({ isSelected }) => isSelected === true).map(({ id }) => id)}
        onAction={(key) => choices.find(({ id }) => id === key)?.onChoose()}
      >
        {choices.map(({ id, text, textValue }) => (
          <MenuItem
            key={id}
            id={id}
            className="menu-item"
            textValue={textValue ?? (typeof text === "string" ? text : id)}
          >
            {text}
          </MenuItem>
        ))}
      </AriaMenu>
    </Popover>
  </MenuTrigger>
);

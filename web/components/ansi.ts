/** The text of a log in parts with the colours that its program asked for. Every other escape sequence is left out. */
import { printable } from "../../runtime/core/text.ts";

export interface StyledPart {
  readonly text: string;
  /** Class names; empty: plain. */
  readonly className: string;
}

const SGR = /\u001b\[([\d;]*)m/g;
const COLOURS = ["", "red", "green", "yellow", "blue", "magenta", "cyan", ""] as const;

/** The style after a line goes on in the next one. */
export interface StyleState {
  bold: boolean;
  dim: boolean;
  colour: string;
}

export const plainStyle = (): StyleState => ({ bold: false, dim: false, colour: "" });

export function styledParts(line: string, style: StyleState): readonly StyledPart[] {
  const parts: StyledPart[] = [];
  let end = 0;
  const add = (text: string): void => {
    const shown = printable(text);
    if (shown !== "") parts.push({ text: shown, className: classOf(style) });
  };
  for (const match of line.matchAll(SGR)) {
    add(line.slice(end, match.index));
    apply(match[1] ?? "", style);
    end = match.index + match[0].length;
  }
  add(line.slice(end));
  return parts;
}

function apply(codes: string, style: StyleState): void {
  for (const code of codes.split(";").map(Number)) {
    if (code === 0) Object.assign(style, plainStyle());
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 22) Object.assign(style, { bold: false, dim: false });
    else if (code === 39) style.colour = "";
    else if (code >= 30 && code <= 37) style.colour = COLOURS[code - 30] ?? "";
    else if (code >= 90 && code <= 97) style.colour = COLOURS[code - 90] ?? "";
  }
}

const classOf = ({ bold, dim, colour }: StyleState): string =>
  [bold && "ansi-bold", dim && "ansi-dim", colour !== "" && `ansi-${colour}`].filter(Boolean).join(" ");

/**
 * The Markdown that our own texts use, as elements: headings, paragraphs, lists, tables, code, links. Anything else stays the
 * text that it is, and no HTML of a text becomes HTML of the page.
 */
import { Fragment, type ReactNode } from "react";
import { CopyButton } from "./copy.tsx";

export interface MarkdownProps {
  readonly text: string;
  /** The link of a target of the text; undefined: its words alone. */
  readonly linkOf?: ((target: string, words: ReactNode) => ReactNode) | undefined;
  /** The level of the headings of the text's first level. */
  readonly level?: 2 | 3;
}

type Inline = (text: string) => ReactNode;

export function Markdown({ text, linkOf = (_, words) => words, level = 2 }: MarkdownProps) {
  const inline: Inline = (part) => spansOf(part, linkOf);
  return blocksOf(text).map((block, index) => <Fragment key={index}>{shown(block, inline, level)}</Fragment>);
}

type Block =
  | { readonly kind: "heading"; readonly depth: number; readonly text: string }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "table"; readonly rows: readonly (readonly string[])[] }
  | { readonly kind: "list"; readonly isOrdered: boolean; readonly items: readonly string[] }
  | { readonly kind: "text"; readonly text: string };

const FENCE = /^\s*```/;
const HEADING = /^(#{1,6}) (.*)$/;
const ITEM = /^(?:-|(\d+)\.) (.*)$/;
const COMMENT = /^<!--.*-->$/;

function blocksOf(text: string): readonly Block[] {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  let at = 0;
  /** The lines from here on for as long as they fit. */
  const take = (fits: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && fits(lines[at] ?? "")) at++;
    return lines.slice(from, at);
  };
  const isPlain = (line: string): boolean =>
    line.trim() !== "" && !FENCE.test(line) && !HEADING.test(line) && !ITEM.test(line) && !line.startsWith("|");
  while (at < lines.length) {
    const line = lines[at] ?? "";
    const [, marks, title] = HEADING.exec(line) ?? [];
    if (line.trim() === "" || COMMENT.test(line)) at++;
    else if (FENCE.test(line)) {
      at++;
      blocks.push({ kind: "code", text: take((one) => !FENCE.test(one)).join("\n") });
      at++;
    } else if (marks !== undefined && title !== undefined) {
      at++;
      blocks.push({ kind: "heading", depth: marks.length, text: title });
    } else if (line.startsWith("|")) {
      const [head = [], , ...rows] = take((one) => one.startsWith("|")).map(cellsOf);
      blocks.push({ kind: "table", rows: [head, ...rows] });
    } else if (ITEM.test(line)) {
      const items: string[] = [];
      const isOrdered = ITEM.exec(line)?.[1] !== undefined;
      while (ITEM.test(lines[at] ?? "")) {
        const [, , first = ""] = ITEM.exec(lines[at] ?? "") ?? [];
        at++;
        items.push([first, ...take((one) => isPlain(one)).map((one) => one.trim())].join(" "));
      }
      blocks.push({ kind: "list", isOrdered, items });
    } else blocks.push({ kind: "text", text: take(isPlain).join(" ") });
  }
  return blocks;
}

const cellsOf = (line: string): readonly string[] =>
  line
    .replace(/^\||\|\s*$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));

/** As GitHub names the place of a heading. */
const anchorOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

function shown(block: Block, inline: Inline, level: number): ReactNode {
  switch (block.kind) {
    case "heading": {
      const Heading = `h${Math.min(6, block.depth + level - 1)}` as "h2";
      return <Heading id={anchorOf(block.text)}>{inline(block.text)}</Heading>;
    }
    case "code":
      return (
        <div className="code-block">
          <pre className="code" tabIndex={0} aria-label="Code">
            {block.text}
          </pre>
          <CopyButton text={block.text} what="the code" />
        </div>
      );
    case "table": {
      const [head = [], ...rows] = block.rows;
      return (
        <div className="sheet-table" tabIndex={0} role="group" aria-label={`Table: ${head.join(", ")}`}>
          <table>
            <thead>
              <tr>
                {head.map((cell, index) => (
                  <th key={index} scope="col">
                    {inline(cell)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((cells, row) => (
                <tr key={row}>
                  {cells.map((cell, index) => (
                    <td key={index}>{inline(cell)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    }
    case "list": {
      const items = block.items.map((item, index) => <li key={index}>{inline(item)}</li>);
      return block.isOrdered ? <ol>{items}</ol> : <ul>{items}</ul>;
    }
    case "text":
      return <p>{inline(block.text)}</p>;
  }
}

/** Code, strong, emphasis, a link: whichever comes first. */
const SPAN = /`([^`]+)`|\*\*(.+?)\*\*|(?<![\w])_([^_]+)_(?![\w])|\[((?:[^\][]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g;

function spansOf(text: string, linkOf: NonNullable<MarkdownProps["linkOf"]>): ReactNode {
  const parts: ReactNode[] = [];
  let end = 0;
  for (const match of text.matchAll(SPAN)) {
    const [whole, code, strong, emphasis, words, target] = match;
    parts.push(text.slice(end, match.index));
    end = match.index + whole.length;
    if (code !== undefined) parts.push(<code>{code}</code>);
    else if (strong !== undefined) parts.push(<b>{spansOf(strong, linkOf)}</b>);
    else if (emphasis !== undefined) parts.push(<em>{emphasis}</em>);
    else parts.push(linkOf(target ?? "", spansOf(words ?? "", linkOf)));
  }
  parts.push(text.slice(end));
  return parts.map((part, index) => <Fragment key={index}>{part}</Fragment>);
}

/** Texts in Markdown as elements. No HTML of a text becomes HTML of the page. */
import { Fragment, useMemo, type ReactNode } from "react";
import MarkdownToJsx, { type MarkdownToJSX, RuleType } from "markdown-to-jsx/react";
import { CopyButton } from "./copy.tsx";

export interface MarkdownProps {
  readonly text: string;
  /** The link of a target of the text. Default: its words alone. */
  readonly linkOf?: ((target: string, words: ReactNode) => ReactNode) | undefined;
}

const wordsAlone = (_target: string, words: ReactNode): ReactNode => words;
/** Of generators; people do not see them. */
const COMMENT_LINES = /^<!--.*-->$/gm;

export function Markdown({ text, linkOf = wordsAlone }: MarkdownProps) {
  const options = useMemo(
    (): MarkdownToJSX.Options => ({
      ...{ disableParsingRawHTML: true, disableAutoLink: true, forceBlock: true, wrapper: Fragment, slugify: anchorOf },
      // The page has the only heading of the first level.
      overrides: { h1: { component: "h2" }, h2: { component: "h3" }, h3: { component: "h4" }, h4: { component: "h5" } },
      renderRule(next, node, renderChildren, state) {
        if (node.type === RuleType.link) {
          return <Fragment key={state.key}>{linkOf(node.target ?? "", renderChildren(node.children, state))}</Fragment>;
        }
        if (node.type === RuleType.codeBlock) return <CodeBlock key={state.key} text={node.text} />;
        if (node.type !== RuleType.table) return next();
        return (
          <div key={state.key} className="sheet-table" tabIndex={0} role="group" aria-label="Table">
            {next()}
          </div>
        );
      },
    }),
    [linkOf],
  );
  return <MarkdownToJsx options={options}>{text.replaceAll(COMMENT_LINES, "")}</MarkdownToJsx>;
}

const CodeBlock = ({ text }: { readonly text: string }) => (
  <div className="code-block">
    <pre className="code" tabIndex={0} aria-label="Code">
      {text}
    </pre>
    <CopyButton text={text} what="the code" />
  </div>
);

/** As GitHub names the place of a heading. */
const anchorOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

/** One operation: what it does, an example, a request of one's own, and all its fields. */
import { Link } from "wouter";
import { href } from "../../components/address.ts";
import { CliLine, CopyButton } from "../../components/copy.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Markdown } from "../../components/markdown.tsx";
import { Panel } from "../../components/panel.tsx";
import { Tabs } from "../../components/tabs.tsx";
import type { Answer, Content, Operation, Reference } from "../../data/reference.ts";
import { Fields, type FieldRow } from "./fields.tsx";
import { GUIDE_NAMES, GUIDES_OF, titleOf } from "./guides.ts";
import { cliOf, curlOf, exampleDraft } from "./request.ts";
import { TryIt } from "./try-it.tsx";

export interface OperationProps {
  readonly operation: Operation;
  readonly reference: Reference;
}

/** What access means, as people say it. */
const NEEDS: Readonly<Record<Operation["needs"], string>> = {
  anonymous: "no token",
  "signed-in": "a token",
  read: "the grant read",
  submit: "the grant submit",
  manage: "the grant manage",
  operate: "the role Jobs.Admin",
};

export function OperationView({ operation, reference }: OperationProps) {
  const { method, path, summary, description, needs, tag, id } = operation;
  const guides = (GUIDES_OF[tag] ?? []).filter((name) => GUIDE_NAMES.includes(name));
  return (
    <div className="stack">
      <h2 className="docs-title">{summary.replaceAll("`", "")}</h2>
      <div className="row">
        <span className="method" data-method={method}>
          {method}
        </span>
        <code>{path}</code>
        <CopyButton text={path} what="the path" />
      </div>
      {description === "" ? null : (
        <div className="prose">
          <Markdown text={description} />
        </div>
      )}
      <p className="muted prose">
        Needs {NEEDS[needs]}. Operation <code>{id}</code>.{guides.length === 0 ? null : " Guides: "}
        {guides.map((name, index) => (
          <span key={name}>
            {index === 0 ? "" : ", "}
            <Link href={href("/docs", { guide: name })}>{titleOf(name)}</Link>
          </span>
        ))}
      </p>
      <Tabs
        label="About the operation"
        first="example"
        tabs={[
          { id: "example", title: "Example", content: () => <Example operation={operation} /> },
          { id: "try", title: "Try it", content: () => <TryIt operation={operation} /> },
          { id: "request", title: "Request", content: () => <Request operation={operation} reference={reference} /> },
          { id: "answers", title: "Answers", content: () => <Answers operation={operation} reference={reference} /> },
        ]}
      />
    </div>
  );
}

function Example({ operation }: { readonly operation: Operation }) {
  const draft = exampleDraft(operation);
  const cli = cliOf(operation, draft);
  const good = operation.answers.filter(({ status }) => status.startsWith("2"));
  return (
    <div className="stack">
      <Panel title="Request">
        <div className="stack">
          <CliLine line={curlOf(operation, draft, location.origin)} />
          {cli === undefined ? null : <CliLine line={cli} />}
          {operation.bodies.map((body) => (
            <ExampleOf key={body.mediaType} content={body} what={`The body, ${body.mediaType}`} />
          ))}
        </div>
      </Panel>
      {good.map((answer) => (
        <Panel key={answer.status} title={`Answer ${answer.status}`}>
          <div className="stack">
            <Markdown text={answer.description} />
            {answer.contents.map((content) => (
              <ExampleOf key={content.mediaType} content={content} what={`The answer, ${content.mediaType}`} />
            ))}
          </div>
        </Panel>
      ))}
    </div>
  );
}

function ExampleOf({ content: { mediaType, example }, what }: { readonly content: Content; readonly what: string }) {
  if (example === undefined) return <p className="muted">The bytes of a file, as {mediaType}.</p>;
  if (typeof example !== "string") return <JsonView value={example} what={what} />;
  return (
    <pre className="code" tabIndex={0} aria-label={what}>
      {example}
    </pre>
  );
}

function Request({ operation: { parameters, bodies }, reference }: OperationProps) {
  if (parameters.length + bodies.length === 0) return <p className="muted">It takes nothing but the token.</p>;
  const rows = parameters.map(({ name, in: place, required = false, description, schema }): FieldRow => ({
    name: place === "query" ? `?${name}` : place === "header" ? `${name}:` : `{${name}}`,
    ...{ schema, required, description },
  }));
  return (
    <div className="stack">
      {rows.length === 0 ? null : (
        <Panel title="Parameters">
          <Fields rows={rows} reference={reference} />
        </Panel>
      )}
      {bodies.map(({ mediaType, schema }) => (
        <Panel key={mediaType} title={`Body, ${mediaType}`}>
          <Fields schema={schema} reference={reference} />
        </Panel>
      ))}
    </div>
  );
}

const Answers = ({ operation: { answers }, reference }: OperationProps) => (
  <div className="stack">
    {answers.map((answer: Answer) => (
      <Panel key={answer.status} title={answer.status}>
        <div className="stack">
          <Markdown text={answer.description} />
          {answer.status.startsWith("2")
            ? answer.contents.map(({ mediaType, schema }) => (
                <Fields key={mediaType} schema={schema} reference={reference} />
              ))
            : null}
        </div>
      </Panel>
    ))}
  </div>
);

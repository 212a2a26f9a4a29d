/** The API: every operation with examples, searched and tried, and the guides. Beside the list, or in its place on a phone. */
import { useEffect, useMemo, useRef } from "react";
import { Link } from "wouter";
import { href, useParam } from "../components/address.ts";
import { Empty } from "../components/empty.tsx";
import { ErrorNote } from "../components/error-note.tsx";
import { Ghost } from "../components/ghost.tsx";
import { PageHead } from "../components/page-head.tsx";
import { useReference, type Operation, type Reference } from "../data/reference.ts";
import { useTenant } from "../data/session.ts";
import { Guide } from "./docs/guide.tsx";
import { GUIDE_NAMES, titleOf } from "./docs/guides.ts";
import { OperationView } from "./docs/operation.tsx";
import { Start } from "./docs/start.tsx";

/** Shown when nothing is chosen, and among the guides. */
const START = "start";

export function Page() {
  const reference = useReference();
  const [text = "", setText] = useParam("q");
  const [operationId] = useParam("op");
  const [guide] = useParam("guide");
  const shown = guide ?? operationId;
  const detail = useRef<HTMLElement>(null);
  const first = useRef(shown);
  useEffect(() => {
    // What was chosen comes next, also for who hears it. What the address named is read from the top of the page.
    if (shown === first.current) return;
    first.current = undefined;
    detail.current?.focus({ preventScroll: true });
    if (!location.hash) scrollTo(0, 0);
  }, [shown]);
  const data = reference.data;
  const operation = data?.operations.find(({ id }) => id === operationId);
  return (
    <>
      <PageHead title="API">
        <span className="muted">{data === undefined ? "" : `version ${data.version}`}</span>
      </PageHead>
      {reference.error === null ? null : (
        <ErrorNote
          error={reference.error}
          what="The operations cannot be shown."
          onRetry={() => void reference.refetch()}
        />
      )}
      <div className="docs" data-detail={shown !== undefined || undefined}>
        <div className="docs-list">
          <input
            className="input"
            type="search"
            aria-label="Search the operations"
            placeholder="Search the operations"
            value={text}
            onChange={({ target }) => setText(target.value)}
          />
          {data === undefined ? <Ghost width={20} /> : <List reference={data} text={text} chosen={shown} />}
        </div>
        <section className="docs-detail" ref={detail} tabIndex={-1} aria-label="What is chosen">
          {shown === undefined ? null : (
            <Link className="link docs-up" href={href("/docs", { q: text === "" ? undefined : text })}>
              ‹ All operations
            </Link>
          )}
          {guide !== undefined && guide !== START ? (
            <Guide key={guide} name={guide} />
          ) : data === undefined ? null : operationId === undefined || guide === START ? (
            <Start description={data.description} />
          ) : operation !== undefined ? (
            <OperationView key={operation.id} operation={operation} reference={data} />
          ) : (
            <Empty title="There is no such operation">{`The API has no operation ${operationId}.`}</Empty>
          )}
        </section>
      </div>
    </>
  );
}

interface ListProps {
  readonly reference: Reference;
  readonly text: string;
  readonly chosen: string | undefined;
}

/** All words must be somewhere in what an operation says of itself. */
function List({ reference, text, chosen }: ListProps) {
  const tenant = useTenant();
  const { operations, tags } = reference;
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const texts = useMemo(() => new Map(operations.map((one) => [one.id, wordsOf(one)])), [operations]);
  const fits = ({ id }: Operation): boolean => words.every((word) => texts.get(id)?.includes(word) === true);
  const found = operations.filter(fits);
  const guides = GUIDE_NAMES.filter((name) =>
    words.every((word) => `guide ${titleOf(name)}`.toLowerCase().includes(word)),
  );
  const at = (parameters: Readonly<Record<string, string>>): string =>
    href("/docs", { ...parameters, tenant, q: text === "" ? undefined : text });
  return (
    <>
      <p className="muted small" role="status">
        {words.length === 0 ? `${operations.length} operations` : `${found.length} of ${operations.length} operations`}
      </p>
      <nav aria-label="Operations and guides">
        {tags.map(({ name }) => {
          const ofTag = found.filter(({ tag }) => tag === name);
          return ofTag.length === 0 ? null : (
            <div key={name}>
              <h2>{name}</h2>
              <ul>
                {ofTag.map(({ id, method, summary, path }) => (
                  <li key={id}>
                    <Link href={at({ op: id })} aria-current={id === chosen ? "true" : undefined} title={path}>
                      <span className="method" data-method={method}>
                        {method}
                      </span>
                      <span>{summary.replaceAll("`", "")}</span>
                    </Link>
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
        {guides.length === 0 ? null : (
          <div>
            <h2>Guides</h2>
            <ul>
              <li>
                <Link href={at({ guide: START })} aria-current={chosen === START ? "true" : undefined}>
                  Before the first request
                </Link>
              </li>
              {guides.map((name) => (
                <li key={name}>
                  <Link href={at({ guide: name })} aria-current={name === chosen ? "true" : undefined}>
                    {titleOf(name)}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        )}
      </nav>
      {found.length + guides.length > 0 ? null : (
        <Empty title="Nothing fits">Words are looked for in names, paths, descriptions and chapters.</Empty>
      )}
    </>
  );
}

const wordsOf = ({ id, method, path, tag, summary, description, needs }: Operation): string =>
  [id, method, path, tag, summary, description, needs].join(" ").toLowerCase();

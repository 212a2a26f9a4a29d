/** What to know before the first request. */
import { Link } from "wouter";
import { href } from "../../components/address.ts";
import { CliLine } from "../../components/copy.tsx";
import { Markdown } from "../../components/markdown.tsx";
import { Panel } from "../../components/panel.tsx";
import { useSession } from "../../data/session.ts";

export function Start({ description }: { readonly description: string }) {
  const { isLocal } = useSession();
  return (
    <div className="stack">
      <Panel title="Before the first request">
        <div className="prose">
          <Markdown text={description} />
          <p>
            Every operation has an example of its request and its answer. Under “Try it” you send one as yourself, with
            what your grants allow.
          </p>
        </div>
      </Panel>
      <Panel title="From a terminal">
        <div className="stack">
          <CliLine line={`jobyard login ${isLocal ? "--local" : location.origin}`} />
          <CliLine line={`curl -H "authorization: Bearer $(jobyard token)" ${location.origin}/v1/me`} />
        </div>
      </Panel>
      <Panel title="From a program">
        <div className="prose">
          <p>
            <Link href={href("/docs", { guide: "client" })}>The TypeScript client</Link> has a method for each
            operation. Generators of other languages read{" "}
            <a href="/openapi.json" target="_blank" rel="noreferrer">
              the OpenAPI document
            </a>
            : <Link href={href("/docs", { guide: "other-languages" })}>other languages</Link>. Errors have one shape:{" "}
            <Link href={href("/docs", { guide: "errors" })}>all codes</Link>.
          </p>
        </div>
      </Panel>
    </div>
  );
}

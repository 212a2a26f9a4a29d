/** Why a job failed: the message, and where its code threw, in lines of its source. */
import { Facts } from "../../components/panel.tsx";
import { At } from "../../components/times.tsx";
import type { JobView } from "../../../runtime/client/index.ts";

type Failure = NonNullable<JobView["failure"]>;

/** `at name (file:line:column)`, or without a name. */
const FRAME = /^at (?:(.*) \()?(.*?)(?::(\d+):(\d+))?\)?$/;

export function FailureTab({ failure }: { readonly failure: Failure }) {
  const frames = failure.stack?.split("\n") ?? [];
  return (
    <div className="failure stack">
      <p className="msg">{failure.message}</p>
      <Facts
        of={[
          ["Code", <code key="c">{failure.code}</code>],
          ["Attempt", failure.attempt],
          ["At", <At key="a" at={failure.failedAt} />],
          ["Another attempt", failure.retryable ? "could have helped" : "cannot help"],
        ]}
      />
      {frames.length === 0 ? null : (
        <ol className="code mono" aria-label="Where it was thrown">
          {frames.map((frame, index) => (
            <Frame key={index} frame={frame} />
          ))}
        </ol>
      )}
    </div>
  );
}

function Frame({ frame }: { readonly frame: string }) {
  const [, name, file = frame, line, column] = FRAME.exec(frame) ?? [];
  return (
    <li>
      at {name === undefined ? null : <>{name} </>}
      <b>
        {file}
        {line === undefined ? "" : `:${line}:${column ?? ""}`}
      </b>
    </li>
  );
}

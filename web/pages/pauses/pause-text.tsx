/** A pause in words: what, since when, by whom and why. */
import { Ago } from "../../components/times.tsx";
import { isPeoples, subjectOf } from "../../data/pauses.ts";
import { pauseName } from "../../../runtime/core/admission/pause.ts";
import type { PauseView } from "../../../runtime/client/index.ts";

export const PauseText = ({ pause }: { readonly pause: PauseView }) => (
  <span className="x">
    <b>{pauseName(isPeoples(pause) ? subjectOf(pause) : { kind: "erasure", tenantName: pause.tenantName ?? "" })}</b>{" "}
    <span className="muted">
      <Ago at={pause.pausedAt} /> by {pause.pausedBy}
      {pause.reason === undefined ? "" : `: ${pause.reason}`}
    </span>
  </span>
);

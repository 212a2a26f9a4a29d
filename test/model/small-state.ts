/** Shared by small models: their states are packed as JSON, and a step may belong to one of several actors. */
import type { Model } from "./search.ts";

export const jsonStates = <S>(): Pick<Model<S>, "copy" | "pack" | "unpack"> => ({
  copy: (state) => JSON.parse(JSON.stringify(state)) as S,
  pack: (state) => JSON.stringify(state),
  unpack: (text) => JSON.parse(text) as S,
});

/** What small models share: their states are packed as JSON, and steps may belong to one of several actors. */
import type { Model } from "./search.ts";

export const jsonStates = <S>(): Pick<Model<S>, "copy" | "pack" | "unpack"> => ({
  copy: (state) => JSON.parse(JSON.stringify(state)) as S,
  pack: (state) => JSON.stringify(state),
  unpack: (text) => JSON.parse(text) as S,
});

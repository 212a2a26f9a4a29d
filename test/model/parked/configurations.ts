/** The runs of the model of jobs that wait without a bell. */
import type { Configuration, RuleOff } from "../configuration.ts";
import { search } from "../search.ts";
import { type ParkedFault, parkedModel, type ParkedRules } from "./model.ts";

type Faults = Partial<Record<ParkedFault, number>>;

const holds = (name: string, share: Configuration["share"], faults: Faults): Configuration => ({
  ...{ model: "parked", name, share },
  run: () => search(parkedModel(faults)),
});

export const PARKED_CONFIGURATIONS: readonly Configuration[] = [
  holds("pause, no room", "quick", { pause: 1, "no room": 1 }),
  holds("pause, no room, crash of worker and refill", "usual", {
    ...{ pause: 1, "no room": 1, "worker crash": 1, "refill crash": 1 },
  }),
];

const breaks = (name: string, faults: Faults, rules: Partial<ParkedRules>): RuleOff => ({
  ...{ model: "parked", name },
  run: () => search(parkedModel(faults, rules)),
});

export const PARKED_RULES_OFF: readonly RuleOff[] = [
  breaks("R30: a bell is put off without reading the row", { pause: 1, "worker crash": 1 }, { readsRow: false }),
  breaks(
    "R30: a bell is completed before its batch is noted",
    { pause: 1, "worker crash": 1 },
    {
      notesBeforeCompleting: false,
    },
  ),
  breaks("R31: the note before the row", { "no room": 1 }, { rowBeforeNote: false }),
  breaks("R32: a note is removed whatever its version is", { pause: 1, "no room": 1 }, { removesOnVersion: false }),
  breaks("R32: a note is removed after a pass that skipped paused jobs", { pause: 1 }, { keepsNoteOfPaused: false }),
  breaks("R32: a note is removed although a row has a bell", { pause: 1 }, { keepsNoteOfBells: false }),
  breaks("R33: the refill's bell has the usual MessageId", { pause: 1 }, { freshMessageId: false }),
];

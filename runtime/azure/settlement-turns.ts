/**
 * Keeps settlements of one link that must not leave together in different turns of the event loop.
 *
 * The AMQP library (rhea 3.0.5, `write_dispositions`) gathers what is settled in one turn into ranges of deliveries,
 * and takes the second of a range in without comparing outcomes: of two messages received one after the other, the
 * second would be completed when it is to be dead-lettered, or dead-lettered for the reason of the first. So only
 * completions share a turn; everything else has one of its own.
 */

export interface SettlementTurns {
  /** Runs the settlement in its turn. `isCompletion`: it may leave with others of its kind. */
  run(isCompletion: boolean, settle: () => Promise<void>): Promise<void>;
}

interface Waiting {
  readonly isCompletion: boolean;
  start(): void;
}

export function createSettlementTurns(): SettlementTurns {
  let waiting: Waiting[] = [];
  let turn: "none" | "completions" | "other" = "none";

  /** The library writes what was settled before the loop goes on to the next immediate. */
  function takeTurn(): void {
    const [first] = waiting;
    if (first === undefined) {
      turn = "none";
      return;
    }
    turn = first.isCompletion ? "completions" : "other";
    const started = first.isCompletion ? waiting.filter(({ isCompletion }) => isCompletion) : [first];
    waiting = waiting.filter((each) => !started.includes(each));
    setImmediate(takeTurn);
    for (const each of started) each.start();
  }

  return {
    run: (isCompletion, settle) =>
      new Promise((resolve, reject) => {
        const start = (): void => void settle().then(resolve, reject);
        if (isCompletion && turn === "completions") {
          start();
          return;
        }
        waiting.push({ isCompletion, start });
        if (turn === "none") takeTurn();
      }),
  };
}

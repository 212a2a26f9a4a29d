/** When the sweeper last ended a round, so that every process can say so. */
export interface SweepNote {
  readonly sweptAt: Date;
  /** Name of the instance. */
  readonly sweptBy: string;
}

export interface SweepNotes {
  /** In place of the one before. Throws UnavailableError. */
  write(note: SweepNote): Promise<void>;
  /** Undefined: no round has ended yet. Throws UnavailableError. */
  read(): Promise<SweepNote | undefined>;
}

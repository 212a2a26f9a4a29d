/** A schedule that cannot be: the message names what is wrong and what it should be. */
export class ScheduleError extends Error {
  override readonly name = "ScheduleError";
}

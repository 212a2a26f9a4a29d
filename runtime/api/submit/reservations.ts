/**
 * Ids for requests that may be repeated: the key rows that name an id are written before the job or batch itself, so
 * that whoever repeats a request, at once or after a crash, goes on with the same id.
 *
 * | key row                   | request with this key                                                |
 * |---------------------------|----------------------------------------------------------------------|
 * | none                      | inserts one that names a fresh id: it is the first                   |
 * | there, same request hash  | goes on with the id in the row, whether its job is there yet or not  |
 * | there, other request hash | refused: IdempotencyKeyReused, JobIdTaken                            |
 *
 * With both kinds of key the idempotency key comes first, so that a request refused by it takes no job id; the job id
 * has the last word, because it alone must name one job for good.
 */
import { createHash } from "node:crypto";
import { ConflictError, InvariantError } from "../../core/errors.ts";
import { type KeyKind, type KeyName, type KeyRecord, keysExpireBefore } from "../../core/job/keys.ts";
import { canonicalJson } from "../../core/json.ts";
import type { KeyStore, KeyWish } from "../../core/ports/key-store.ts";

export interface ReservationWish {
  /** Never used before. */
  readonly freshId: string;
  readonly requestHash: string;
  readonly idempotencyKey: string | undefined;
  readonly clientJobId: string | undefined;
}

export interface Reservation {
  readonly id: string;
  /** No request had any of the keys before: nothing can be there under the id. */
  readonly isFirst: boolean;
}

export interface Reservations {
  /** Throws ConflictError "IdempotencyKeyReused" or "JobIdTaken"; UnavailableError, and the same wish may be made again. */
  reserveOne(tenantName: string, wish: ReservationWish): Promise<Reservation>;
  /** The same without taking a key; undefined: there is none yet. */
  findOne(tenantName: string, wish: ReservationWish): Promise<Reservation | undefined>;
  /** In the order of the wishes, all of one tenant. Throws UnavailableError; the same wishes may then be made again. */
  reserve(tenantName: string, wishes: readonly ReservationWish[]): Promise<readonly (Reservation | ConflictError)[]>;
  /** The same without taking a key; undefined: there is none yet. */
  find(
    tenantName: string,
    wishes: readonly ReservationWish[],
  ): Promise<readonly (Reservation | ConflictError | undefined)[]>;
}

export interface ReservationDeps {
  readonly keys: Pick<KeyStore, "find" | "reserve">;
  readonly now: () => Date;
}

/** What is known of a wish so far. */
interface Standing extends Reservation {
  readonly hasKey: boolean;
  readonly refusal: ConflictError | undefined;
}

type Look = (wishes: readonly KeyWish[]) => Promise<readonly (KeyRecord | undefined)[]>;

export function createReservations({ keys, now }: ReservationDeps): Reservations {
  async function stand(wishes: readonly ReservationWish[], look: Look): Promise<readonly Standing[]> {
    let standings: readonly Standing[] = wishes.map(({ freshId }) => ({
      id: freshId,
      isFirst: true,
      hasKey: false,
      refusal: undefined,
    }));
    for (const kind of ["idempotency-key", "job-id"] as const) standings = await consult(kind, wishes, standings, look);
    return standings;
  }

  async function consult(
    kind: KeyKind,
    wishes: readonly ReservationWish[],
    standings: readonly Standing[],
    look: Look,
  ): Promise<readonly Standing[]> {
    /** One for each key: of those who have the same, the first wishes for all. */
    const asked = new Map<string, KeyWish>();
    for (const [index, wish] of wishes.entries()) {
      const key = keyOf(kind, wish);
      const standing = standings[index];
      if (key === undefined || standing === undefined || standing.refusal !== undefined || asked.has(key)) continue;
      asked.set(key, { kind, key, id: standing.id, requestHash: wish.requestHash, createdAt: now() });
    }
    if (asked.size === 0) return standings;
    const records = await look([...asked.values()]);
    const byKey = new Map([...asked.keys()].map((key, index) => [key, records[index]]));
    return standings.map((standing, index) => {
      const wish = wishes[index];
      const key = wish && keyOf(kind, wish);
      const record = key === undefined ? undefined : byKey.get(key);
      return wish === undefined || record === undefined ? standing : meet(standing, wish, record);
    });
  }

  const reserve: Reservations["reserve"] = async (tenantName, wishes) => {
    const look: Look = (asked) => keys.reserve(tenantName, asked, keysExpireBefore(now()));
    return (await stand(wishes, look)).map(({ id, isFirst, refusal }) => refusal ?? { id, isFirst });
  };

  const find: Reservations["find"] = async (tenantName, wishes) => {
    const look: Look = (asked) => keys.find(tenantName, asked, keysExpireBefore(now()));
    const standings = await stand(wishes, look);
    return standings.map(({ id, hasKey, refusal }) => refusal ?? (hasKey ? { id, isFirst: false } : undefined));
  };

  return {
    async reserveOne(tenantName, wish) {
      const [reserved] = await reserve(tenantName, [wish]);
      if (reserved === undefined) throw new InvariantError("A reservation was not answered.");
      if (reserved instanceof ConflictError) throw reserved;
      return reserved;
    },
    async findOne(tenantName, wish) {
      const [found] = await find(tenantName, [wish]);
      if (found instanceof ConflictError) throw found;
      return found;
    },
    reserve,
    find,
  };
}

/** Tells a repeat from another request with the same key. `request`: validated, so that equal requests have equal hashes. */
export const requestHash = (appliesTo: "job" | "batch" | "timer-run", request: unknown): string =>
  createHash("sha256").update(canonicalJson({ appliesTo, request })).digest("hex");

const keyOf = (kind: KeyKind, wish: ReservationWish): KeyName["key"] | undefined =>
  kind === "job-id" ? wish.clientJobId : wish.idempotencyKey;

function meet(standing: Standing, wish: ReservationWish, record: KeyRecord): Standing {
  if (standing.refusal !== undefined) return standing;
  if (record.requestHash !== wish.requestHash) return { ...standing, refusal: refusalOf(record.kind, wish) };
  // Fresh ids are this request's own: a row that names one was inserted by it.
  const { id } = record;
  return { id, isFirst: standing.isFirst && id === standing.id, hasKey: true, refusal: undefined };
}

function refusalOf(kind: KeyKind, { clientJobId = "" }: ReservationWish): ConflictError {
  return kind === "job-id"
    ? new ConflictError("JobIdTaken", `Another job of this tenant has the id ${clientJobId}.`)
    : new ConflictError("IdempotencyKeyReused", "The Idempotency-Key came with another request before.");
}

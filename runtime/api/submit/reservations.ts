/**
 * Ids for requests that can be repeated. The key rows that name an id are written before the job or batch itself, so that a
 * repeat of a request, at once or after a crash, uses the same id.
 *
 * | key row                   | request with this key                                                |
 * |---------------------------|----------------------------------------------------------------------|
 * | none                      | inserts a row that names a fresh id: this request is the first       |
 * | exists, same request hash | uses the id in the row, whether its job exists yet or not            |
 * | exists, other hash        | refused: IdempotencyKeyReused, JobIdTaken                            |
 *
 * With both kinds of key, the idempotency key comes first, so that a request it refuses takes no job id. The job id decides in
 * the end, because it must name one job for ever.
 */
import { createHash } from "node:crypto";
import { ConflictError, InvariantError } from "../../core/errors.ts";
import { type KeyKind, type KeyName, type KeyRecord, keysExpireBefore } from "../../core/job/keys.ts";
import { canonicalJson } from "../../core/json.ts";
import type { KeyStore, KeyWish } from "../../core/ports/key-store.ts";
import type { Clock } from "../../core/clock.ts";

export interface ReservationWish {
  /** Never used before. */
  readonly freshId: string;
  readonly requestHash: string;
  readonly idempotencyKey: string | undefined;
  readonly clientJobId: string | undefined;
}

export interface Reservation {
  readonly id: string;
  /** No request had any of the keys before, so nothing with this id can exist. */
  readonly isFirst: boolean;
}

export interface Reservations {
  /** Throws ConflictError "IdempotencyKeyReused" or "JobIdTaken"; UnavailableError; the same wish can then be repeated. */
  reserveOne(tenantName: string, wish: ReservationWish): Promise<Reservation>;
  /** The same without taking a key. Undefined: no key exists yet. */
  findOne(tenantName: string, wish: ReservationWish): Promise<Reservation | undefined>;
  /** In the order of the wishes, all of one tenant. Throws UnavailableError; the same wishes can then be repeated. */
  reserve(tenantName: string, wishes: readonly ReservationWish[]): Promise<readonly (Reservation | ConflictError)[]>;
  /** The same without taking a key. Undefined: no key exists yet. */
  find(
    tenantName: string,
    wishes: readonly ReservationWish[],
  ): Promise<readonly (Reservation | ConflictError | undefined)[]>;
}

export interface ReservationDeps {
  readonly keys: Pick<KeyStore, "find" | "reserve">;
  readonly now: Clock["now"];
}

/** The state of a wish so far. */
interface Standing extends Reservation {
  readonly hasKey: boolean;
  readonly refusal: ConflictError | undefined;
}

type ReadKeys = (wishes: readonly KeyWish[]) => Promise<readonly (KeyRecord | undefined)[]>;

export function createReservations({ keys, now }: ReservationDeps): Reservations {
  async function resolve(wishes: readonly ReservationWish[], readKeys: ReadKeys): Promise<readonly Standing[]> {
    let standings: readonly Standing[] = wishes.map(({ freshId }) => ({
      id: freshId,
      isFirst: true,
      hasKey: false,
      refusal: undefined,
    }));
    for (const kind of ["idempotency-key", "job-id"] as const)
      standings = await resolveKind(kind, wishes, standings, readKeys);
    return standings;
  }

  async function resolveKind(
    kind: KeyKind,
    wishes: readonly ReservationWish[],
    standings: readonly Standing[],
    readKeys: ReadKeys,
  ): Promise<readonly Standing[]> {
    /** One wish for each key. Of requests with the same key, the first wishes for all. */
    const wanted = new Map<string, KeyWish>();
    for (const [index, wish] of wishes.entries()) {
      const key = keyOf(kind, wish);
      const standing = standings[index];
      if (key === undefined || standing === undefined || standing.refusal !== undefined || wanted.has(key)) continue;
      wanted.set(key, { kind, key, id: standing.id, requestHash: wish.requestHash, createdAt: now() });
    }
    if (wanted.size === 0) return standings;
    const records = await readKeys([...wanted.values()]);
    const byKey = new Map([...wanted.keys()].map((key, index) => [key, records[index]]));
    return standings.map((standing, index) => {
      const wish = wishes[index];
      const key = wish && keyOf(kind, wish);
      const record = key === undefined ? undefined : byKey.get(key);
      return wish === undefined || record === undefined ? standing : withRecord(standing, wish, record);
    });
  }

  const reserve: Reservations["reserve"] = async (tenantName, wishes) => {
    const readKeys: ReadKeys = (wanted) => keys.reserve(tenantName, wanted, keysExpireBefore(now()));
    return (await resolve(wishes, readKeys)).map(({ id, isFirst, refusal }) => refusal ?? { id, isFirst });
  };

  const find: Reservations["find"] = async (tenantName, wishes) => {
    const readKeys: ReadKeys = (wanted) => keys.find(tenantName, wanted, keysExpireBefore(now()));
    const standings = await resolve(wishes, readKeys);
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

function withRecord(standing: Standing, wish: ReservationWish, record: KeyRecord): Standing {
  if (standing.refusal !== undefined) return standing;
  if (record.requestHash !== wish.requestHash) return { ...standing, refusal: refusalOf(record.kind, wish) };
  // Fresh ids are unique, so a row with this request's fresh id was inserted by this request.
  const { id } = record;
  return { id, isFirst: standing.isFirst && id === standing.id, hasKey: true, refusal: undefined };
}

function refusalOf(kind: KeyKind, { clientJobId = "" }: ReservationWish): ConflictError {
  return kind === "job-id"
    ? new ConflictError("JobIdTaken", `Another job of this tenant has the id ${clientJobId}.`)
    : new ConflictError("IdempotencyKeyReused", "The Idempotency-Key was used with another request.");
}

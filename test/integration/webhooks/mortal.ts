/**
 * Puts a process's death around its dependencies: it dies at one call of a method, before the call or right after it took
 * effect, and from then on nothing of it reaches anything.
 */

export interface Life {
  /** Calls so far. */
  calls: number;
  /** The call it dies at, from 1. */
  readonly diesAt: number;
  readonly diesBefore: boolean;
}

export const isDead = ({ calls, diesAt }: Life): boolean => calls >= diesAt;

/** Names of methods that answer at once and reach nothing are passed through. */
export function mortal<T extends object>(inner: T, life: Life, passed: readonly (keyof T)[] = []): T {
  return new Proxy(inner, {
    get(target, name, receiver): unknown {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== "function" || passed.includes(name as keyof T)) return value;
      return async (...args: unknown[]): Promise<unknown> => {
        if (isDead(life)) throw new Error("dead");
        life.calls++;
        const diesNow = isDead(life);
        if (diesNow && life.diesBefore) throw new Error("dies before");
        const result: unknown = await Reflect.apply(value, target, args);
        if (diesNow) throw new Error("dies after");
        return result;
      };
    },
  });
}

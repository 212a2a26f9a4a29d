/** Puts a switch around a dependency: while a fault is set, every method of it fails with that. */

export interface FaultSwitch {
  fault: Error | undefined;
}

export function faulty<T extends object>(inner: T, control: FaultSwitch): T {
  return new Proxy(inner, {
    get(target, name, receiver): unknown {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        if (control.fault !== undefined) return Promise.reject(control.fault);
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
}

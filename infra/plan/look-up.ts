/**
 * Reads a map whose keys come from the topology or configuration that filled it. A missing key is a bug in the program.
 */
export function lookUp<Value>(values: ReadonlyMap<string, Value>, what: string, name: string): Value {
  const value = values.get(name);
  if (value === undefined) throw new RangeError(`There is no ${what} "${name}".`);
  return value;
}

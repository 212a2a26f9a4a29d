/** Names a field of a JSON value the way people write it: `jobs[1].entry.file`. */

/** `at`: where the value itself lies. Numbers are places in a list. */
export const showFieldPath = (path: readonly PropertyKey[], at = ""): string =>
  path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, at);

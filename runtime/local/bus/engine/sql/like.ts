/** The LIKE operator: `%` stands for any characters, `_` for one, and what follows the escape character for itself. */

type Part = { readonly kind: "any" } | { readonly kind: "one" } | { readonly kind: "text"; readonly character: string };

export type LikePattern = readonly Part[];

export function compileLike(pattern: string, escape: string | undefined): LikePattern {
  const parts: Part[] = [];
  let escaped = false;
  for (const character of pattern) {
    if (!escaped && character === escape) {
      escaped = true;
      continue;
    }
    if (!escaped && character === "%") {
      if (parts.at(-1)?.kind !== "any") parts.push({ kind: "any" });
    } else if (!escaped && character === "_") {
      parts.push({ kind: "one" });
    } else {
      parts.push({ kind: "text", character });
    }
    escaped = false;
  }
  return parts;
}

/** Goes back only to the last `%`, so that no pattern takes more than pattern length times text length. */
export function matchesLike(text: string, pattern: LikePattern): boolean {
  const characters = Array.from(text);
  let at = 0;
  let part = 0;
  let retryPart = -1;
  let retryAt = 0;
  while (at < characters.length) {
    const current = pattern[part];
    if (current?.kind === "any") {
      retryPart = part++;
      retryAt = at;
    } else if (current && (current.kind === "one" || current.character === characters[at])) {
      part++;
      at++;
    } else if (retryPart >= 0) {
      part = retryPart + 1;
      at = ++retryAt;
    } else {
      return false;
    }
  }
  while (pattern[part]?.kind === "any") part++;
  return part === pattern.length;
}

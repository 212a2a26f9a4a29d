/** Finds the word somebody probably meant, for messages about a name that is not known. */

/** The known word that is nearest to `word`, or undefined when none is near. Case does not count. */
export function didYouMean(word: string, known: Iterable<string>): string | undefined {
  const wanted = word.slice(0, COMPARED_MAX_LENGTH).toLowerCase();
  // A third of the letters may differ: more is another word.
  let best = { word: undefined as string | undefined, distance: Math.floor(wanted.length / 3) + 1 };
  for (const candidate of known) {
    const other = candidate.slice(0, COMPARED_MAX_LENGTH).toLowerCase();
    if (Math.abs(other.length - wanted.length) >= best.distance) continue;
    const distance = editDistance(wanted, other);
    if (distance < best.distance) best = { word: candidate, distance };
  }
  return best.word;
}

/** The cost grows with the square of the length. */
const COMPARED_MAX_LENGTH = 64;

/** Letters to insert, remove, replace or swap with their neighbour. */
function editDistance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      current.push(
        Math.min(
          (last[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          (last[column - 1] ?? 0) + (isSame ? 0 : 1),
          isSwapped ? (beforeLast[column - 2] ?? 0) + 1 : Infinity,
        ),
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

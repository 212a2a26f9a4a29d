/** Text in lines of a width, broken between words. A word that is longer, such as a path, stays whole. */
export const wrapped = (text: string, width: number): string =>
  text
    .split("\n")
    .map((line) => wrappedLine(line, width))
    .join("\n");

function wrappedLine(line: string, width: number): string {
  const lines: string[] = [];
  let current: string | undefined;
  for (const word of line.split(" ")) {
    if (current !== undefined && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else {
      current = current === undefined ? word : `${current} ${word}`;
    }
  }
  return [...lines, current ?? ""].join("\n");
}

import type { ArtifactContent } from "../../../runtime/core/ports/job-files.ts";

/** An artifact as a text or bytes, for tests that need no file. */
export function artifactContent(content: string | Uint8Array): ArtifactContent {
  const all = Buffer.from(content as string);
  return {
    bytes: all.length,
    read: (position, length) => Promise.resolve(all.subarray(position, position + length)),
  };
}

/** Owns the folder of its argument until it is killed: says "owner", or who owns it instead. */
import { FolderInUseError, ownFolder } from "../../../runtime/platform/own-folder.ts";

const [directory = ""] = process.argv.slice(2);
try {
  await ownFolder({ directory });
  console.log("owner");
  setInterval(() => undefined, 1_000);
} catch (error) {
  if (!(error instanceof FolderInUseError)) throw error;
  console.log(error.owner);
}

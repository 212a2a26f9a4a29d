/** Starts one program of a chaos run as runtime/main/start.mjs does, but recorded storage, and clients behind a network. */
switch (process.argv[2]) {
  case "storage":
    await import("./recorded-storage.ts");
    break;
  case "api":
  case "worker":
    await import("./linked-program.ts");
    break;
  default:
    await import(import.meta.resolve("../../../runtime/main/start.mjs"));
}

export {};

/** Starts one program of a chaos run as runtime/main/start.mjs does, but recorded storage, and clients behind a network. */
const program = process.argv[2];
if (program === "storage") await import("./recorded-storage.ts");
else if (program === "api" || program === "worker") await import("./linked-program.ts");
else await import(import.meta.resolve("../../../runtime/main/start.mjs"));

export {};

/** Starts a program of a chaos run like runtime/main/start.mjs, but with recorded storage and a faulty network. */
const program = process.argv[2];
if (program === "storage") await import("./recorded-storage.ts");
else if (program === "api" || program === "worker") await import("./linked-program.ts");
else await import(import.meta.resolve("../../../runtime/main/start.mjs"));

export {};

/** Starts one program of a chaos run: as runtime/main/start.mjs does, but storage with a recorder in front of it. */
if (process.argv[2] === "storage") await import("./recorded-storage.ts");
else await import(import.meta.resolve("../../../runtime/main/start.mjs"));

export {};

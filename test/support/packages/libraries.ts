/**
 * Well-known libraries, each with a small job that uses what is particular to it: drivers it may find or not, files and
 * threads of its own, machine code. `docs/packages.md` shows the list to authors.
 */

export interface Library {
  /** As the document has it. */
  readonly name: string;
  /** Versions by module. */
  readonly modules: Readonly<Record<string, string>>;
  /** What the author must say in package.json. */
  readonly jobyard?: { readonly external?: readonly string[]; readonly bundled?: readonly string[] };
  readonly imports: string;
  /** Body of the job: returns what `output` is compared with. */
  readonly body: string;
  readonly output: unknown;
}

/** No server listens there: a driver whose connection is refused was loaded. */
const NOBODY = 'host: "127.0.0.1", port: 1';

export const LIBRARIES: readonly Library[] = [
  {
    name: "knex with pg",
    modules: { knex: "3.3.0", pg: "8.23.1" },
    jobyard: { bundled: ["knex"] },
    imports: 'import knex from "knex";',
    body: `
      const db = knex({ client: "pg", connection: { ${NOBODY} } });
      const { sql } = db("orders").where("state", "open").toSQL().toNative();
      const connected = await db.raw("select 1").catch((error) => error.code);
      const other = () => knex({ client: "mysql2", connection: {} });
      const absent = await Promise.try(other).catch((error) => error.message.includes("Cannot find module 'mysql2'"));
      return [sql, connected, absent];`,
    output: ['select * from "orders" where "state" = $1', "ECONNREFUSED", true],
  },
  {
    name: "typeorm with pg",
    modules: { typeorm: "1.1.1", pg: "8.23.1" },
    jobyard: { external: ["pg"] },
    imports: 'import { DataSource, EntitySchema } from "typeorm";',
    body: `
      const Order = new EntitySchema({ name: "order", columns: { id: { type: Number, primary: true } } });
      const source = new DataSource({ type: "postgres", ${NOBODY}, entities: [Order] });
      return source.initialize().then(() => "connected", (error) => error.code ?? error.message);`,
    output: "ECONNREFUSED",
  },
  {
    name: "mongoose",
    modules: { mongoose: "9.12.1" },
    imports: 'import mongoose from "mongoose";',
    body: `
      const Order = mongoose.model("Order", new mongoose.Schema({ name: { type: String, required: true } }));
      const invalid = await new Order({}).validate().catch((error) => error.message);
      const options = { serverSelectionTimeoutMS: 200 };
      const connecting = mongoose.createConnection("mongodb://127.0.0.1:1/orders", options).asPromise();
      return [invalid, await connecting.catch((error) => error.name)];`,
    output: ["Order validation failed: name: Path \`name\` is required.", "MongooseServerSelectionError"],
  },
  {
    name: "nodemailer",
    modules: { nodemailer: "10.6.1" },
    imports: 'import { createTransport } from "nodemailer";',
    body: `
      const attachments = [{ filename: "a.txt", content: "attached" }];
      const mail = { from: "a@example.com", to: "b@example.com", subject: "Hello", html: "<b>Hi</b>", attachments };
      const { message } = await createTransport({ streamTransport: true, buffer: true }).sendMail(mail);
      return ["Subject: Hello", "a.txt"].map((text) => message.toString().includes(text));`,
    output: [true, true],
  },
  {
    name: "pdfkit",
    modules: { pdfkit: "0.20.2" },
    jobyard: { external: ["pdfkit"] },
    imports: 'import PDFDocument from "pdfkit";',
    body: `
      const document = new PDFDocument();
      document.font("Times-Roman").text("Hello").end();
      return Buffer.concat(await document.toArray()).toString("latin1", 0, 5);`,
    output: "%PDF-",
  },
  {
    name: "sharp",
    modules: { sharp: "0.35.5" },
    imports: 'import sharp from "sharp";',
    body: `
      const image = sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } });
      const { info } = await image.resize(4).webp().toBuffer({ resolveWithObject: true });
      return [info.format, info.width];`,
    output: ["webp", 4],
  },
  {
    name: "exceljs",
    modules: { exceljs: "4.4.0" },
    imports: 'import ExcelJS from "exceljs";',
    body: `
      const book = new ExcelJS.Workbook();
      book.addWorksheet("Orders").addRow([7, "open"]);
      const again = new ExcelJS.Workbook();
      await again.xlsx.load(await book.xlsx.writeBuffer());
      return again.getWorksheet("Orders").getCell("B1").value;`,
    output: "open",
  },
  {
    name: "@azure/identity and @azure/storage-blob",
    modules: { "@azure/identity": "4.14.1", "@azure/storage-blob": "12.34.0" },
    jobyard: { bundled: ["open"] },
    imports: `import { ClientSecretCredential } from "@azure/identity";
      import { BlobServiceClient } from "@azure/storage-blob";`,
    body: `
      const id = "00000000-0000-0000-0000-000000000000";
      const credential = new ClientSecretCredential(id, id, "secret", { authorityHost: "https://127.0.0.1:1" });
      const options = { retryOptions: { maxTries: 1 } };
      const blobs = new BlobServiceClient("https://127.0.0.1:1", credential, options);
      return blobs.getContainerClient("a").exists().catch((error) => error.name);`,
    output: "CredentialUnavailableError",
  },
  {
    name: "playwright-core",
    modules: { "playwright-core": "1.65.1" },
    jobyard: { external: ["playwright-core"] },
    imports: 'import { chromium } from "playwright-core";',
    body: `
      const browser = await chromium.launch({ executablePath: "/nowhere/chromium" }).catch((error) => error);
      return browser.message.includes("executable doesn't exist at /nowhere/chromium");`,
    output: true,
  },
  {
    name: "@langchain/core",
    modules: { "@langchain/core": "1.4.0" },
    imports: `import { StringOutputParser } from "@langchain/core/output_parsers";
      import { ChatPromptTemplate } from "@langchain/core/prompts";
      import { FakeListChatModel } from "@langchain/core/utils/testing";`,
    body: `
      const model = new FakeListChatModel({ responses: ["Hello, Ann."] });
      const chain = ChatPromptTemplate.fromTemplate("Greet {name}").pipe(model).pipe(new StringOutputParser());
      return chain.invoke({ name: "Ann" });`,
    output: "Hello, Ann.",
  },
  {
    name: "pino with a transport",
    modules: { pino: "10.4.0" },
    jobyard: { external: ["pino"] },
    imports: `import { readFile } from "node:fs/promises";
      import { setTimeout as pause } from "node:timers/promises";
      import pino from "pino";`,
    body: `
      const destination = process.env.TMPDIR + "/log";
      pino(pino.transport({ target: "pino/file", options: { destination } })).info("hello");
      for (;;) {
        const written = await readFile(destination, "utf8").catch(() => "");
        if (written.endsWith("\\n")) return JSON.parse(written).msg;
        await pause(10);
      }`,
    output: "hello",
  },
];

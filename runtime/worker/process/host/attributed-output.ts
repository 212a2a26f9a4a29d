/** Sends what a job prints to its own log, although all jobs of a shared process have one stdout and one stderr. */
import { StringDecoder } from "node:string_decoder";
import { piecesOf } from "./pieces.ts";

type PrintSource = "out" | "err";

export interface Printer {
  print(source: PrintSource, chunk: Uint8Array): void;
  /** Passes on what is left of a character that never became whole. */
  end(): void;
}

export function createPrinter(send: (source: PrintSource, text: string) => void): Printer {
  const decoders = { out: new StringDecoder("utf8"), err: new StringDecoder("utf8") };
  const pass = (source: PrintSource, text: string): void => {
    if (text === "") return;
    for (const piece of piecesOf(text)) send(source, piece);
  };
  return {
    print: (source, chunk) => pass(source, decoders[source].write(Buffer.from(chunk))),
    end() {
      pass("out", decoders.out.end());
      pass("err", decoders.err.end());
    },
  };
}

/** What nobody's context prints goes where it always went. */
export function attributeOutput(printer: () => Printer | undefined): void {
  attribute(process.stdout, "out", printer);
  attribute(process.stderr, "err", printer);
}

type Write = (chunk: Uint8Array | string, ...rest: unknown[]) => boolean;

function attribute(stream: NodeJS.WriteStream, source: PrintSource, printer: () => Printer | undefined): void {
  const original = stream.write.bind(stream) as Write;
  const write: Write = (chunk, ...rest) => {
    const target = printer();
    if (target === undefined) return original(chunk, ...rest);
    const encoding = typeof rest[0] === "string" ? (rest[0] as BufferEncoding) : "utf8";
    target.print(source, typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
    const callback = rest.find((argument) => typeof argument === "function") as (() => void) | undefined;
    if (callback !== undefined) process.nextTick(callback);
    return true;
  };
  stream.write = write;
}

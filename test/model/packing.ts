/** Packs states into short texts. Every field becomes one byte, so that millions of states fit into memory. */

export interface Field<T> {
  readonly toByte: (value: T) => number;
  readonly fromByte: (byte: number) => T;
}

const MAX_BYTE = 255;

export const count: Field<number> = {
  toByte(value) {
    if (value < 0 || value > MAX_BYTE) throw new RangeError(`A field of the model cannot hold ${value}.`);
    return value;
  },
  fromByte: (byte) => byte,
};

export const flag: Field<boolean> = { toByte: (value) => (value ? 1 : 0), fromByte: (byte) => byte === 1 };

export function oneOf<T extends string>(...words: readonly T[]): Field<T> {
  const bytes = new Map(words.map((word, index) => [word, index]));
  return {
    toByte: (value) => bytes.get(value) ?? MAX_BYTE,
    fromByte: (byte) => words[byte]!,
  };
}

/** A field for every property of T. */
export type Layout<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/** How records of one kind are written and read. */
export interface Packer<T> {
  readonly write: (bytes: Bytes, value: T) => void;
  readonly read: (bytes: Bytes) => T;
}

/** A buffer with a position. */
export class Bytes {
  readonly #buffer = Buffer.alloc(1_024);
  #at = 0;

  start(): void {
    this.#at = 0;
  }

  /** From here on the text is read. */
  load(text: string): void {
    this.#buffer.write(text, "latin1");
    this.#at = 0;
  }

  put(byte: number): void {
    this.#buffer[this.#at++] = byte;
  }

  take(): number {
    return this.#buffer[this.#at++]!;
  }

  /** The text since `start`. */
  text(): string {
    return this.#buffer.toString("latin1", 0, this.#at);
  }
}

export function packer<T extends object>(layout: Layout<T>): Packer<T> {
  const names = Object.keys(layout) as (keyof T)[];
  const fields = names.map((name) => layout[name] as Field<unknown>);
  return {
    write(bytes, value) {
      for (let index = 0; index < names.length; index++) bytes.put(fields[index]!.toByte(value[names[index]!]));
    },
    read(bytes) {
      const value: Partial<Record<keyof T, unknown>> = {};
      for (let index = 0; index < names.length; index++) value[names[index]!] = fields[index]!.fromByte(bytes.take());
      return value as T;
    },
  };
}

/** Any number of records of one kind. */
export function listOf<T extends object>({ write, read }: Packer<T>): Packer<T[]> {
  return {
    write(bytes, values) {
      bytes.put(values.length);
      for (const value of values) write(bytes, value);
    },
    read: (bytes) => Array.from({ length: bytes.take() }, () => read(bytes)),
  };
}

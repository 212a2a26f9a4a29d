/** Writes ZIP archives byte by byte, so that tests can write every wrong one: each header field can be lied about. */
import { crc32, deflateRawSync } from "node:zlib";

export interface ZipEntry {
  readonly name: string | Buffer;
  readonly content?: string | Uint8Array;
  /** Unix type and permissions. */
  readonly mode?: number;
  /** Default: deflated. */
  readonly stored?: boolean;
  /** What the headers say instead of the truth. */
  readonly method?: number;
  readonly flags?: number;
  readonly crc32?: number;
  readonly bytes?: number;
  readonly compressedBytes?: number;
  /** Further fields of the central header: id, length, data. */
  readonly extra?: Uint8Array;
  /** What only the local header says. */
  readonly local?: {
    readonly name?: string;
    readonly signature?: number;
    readonly method?: number;
    readonly flags?: number;
    readonly bytes?: number;
  };
  /** The central header points here instead of at an own local header, and none is written. */
  readonly offset?: number;
}

export interface ZipOptions {
  /** What the end record says. */
  readonly entryCount?: number;
  readonly trailing?: Uint8Array;
}

const DEFLATED = 8;
const UNIX = 3 << 8;

export function buildZip(entries: readonly ZipEntry[], options: ZipOptions = {}): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const fields = fieldsOf(entry);
    if (entry.offset === undefined) {
      const local = localHeader(fields, entry);
      locals.push(local, fields.data);
      centrals.push(centralHeader(fields, entry, offset));
      offset += local.length + fields.data.length;
    } else {
      centrals.push(centralHeader(fields, entry, entry.offset));
    }
  }
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  const count = options.entryCount ?? entries.length;
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end, options.trailing ?? Buffer.alloc(0)]);
}

interface Fields {
  readonly name: Buffer;
  readonly data: Buffer;
  readonly method: number;
  readonly flags: number;
  readonly crc32: number;
  readonly bytes: number;
  readonly compressedBytes: number;
}

function fieldsOf(entry: ZipEntry): Fields {
  const content = Buffer.from(entry.content ?? "");
  const data = entry.stored === true ? content : deflateRawSync(content);
  return {
    name: Buffer.from(entry.name),
    data,
    method: entry.method ?? (entry.stored === true ? 0 : DEFLATED),
    flags: entry.flags ?? 0x800,
    crc32: entry.crc32 ?? crc32(content),
    bytes: entry.bytes ?? content.length,
    compressedBytes: entry.compressedBytes ?? data.length,
  };
}

function localHeader(fields: Fields, { local = {} }: ZipEntry): Buffer {
  const name = local.name === undefined ? fields.name : Buffer.from(local.name);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(local.signature ?? 0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(local.flags ?? fields.flags, 6);
  header.writeUInt16LE(local.method ?? fields.method, 8);
  header.writeUInt32LE(fields.crc32, 14);
  header.writeUInt32LE(fields.compressedBytes, 18);
  header.writeUInt32LE(local.bytes ?? fields.bytes, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name]);
}

function centralHeader(fields: Fields, entry: ZipEntry, offset: number): Buffer {
  const mode = entry.mode ?? (fields.name.toString().endsWith("/") ? 0o040755 : 0o100644);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(UNIX | 20, 4);
  header.writeUInt16LE(20, 6);
  header.writeUInt16LE(fields.flags, 8);
  header.writeUInt16LE(fields.method, 10);
  header.writeUInt32LE(fields.crc32, 16);
  header.writeUInt32LE(fields.compressedBytes, 20);
  header.writeUInt32LE(fields.bytes, 24);
  const { extra = new Uint8Array() } = entry;
  header.writeUInt16LE(fields.name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE((mode << 16) >>> 0, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, fields.name, extra]);
}

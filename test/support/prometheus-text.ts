/** A strict parser of Prometheus's text format 0.0.4: whatever it does not know is an error. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly samples: Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const TYPE_LINE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`);
const COMMENT_LINE = new RegExp(`^# (?:HELP|UNIT) ${NAME}(?: .*)?$`);
const SAMPLE_LINE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)(?: -?\\d+)?$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** By name. Throws for a line that is no comment, no type and no sample, and for a sample without a type before it. */
export function parsePrometheus(text: string): ReadonlyMap<string, Family> {
  if (text !== "" && !text.endsWith("\n")) throw new Error("The last line has no end.");
  const families = new Map<string, Family>();
  for (const line of text.split("\n")) {
    if (line === "" || COMMENT_LINE.test(line)) continue;
    const [, declared, type] = TYPE_LINE.exec(line) ?? [];
    if (declared !== undefined && type !== undefined) {
      if (families.has(declared)) throw new Error(`${declared} is declared twice.`);
      families.set(declared, { type, samples: [] });
      continue;
    }
    const sample = sampleOf(line);
    const family = families.get(sample.name) ?? families.get(sample.name.replace(/_(?:bucket|sum|count)$/, ""));
    if (family === undefined) throw new Error(`${sample.name} has no type.`);
    family.samples.push(sample);
  }
  return families;
}

function sampleOf(line: string): Sample {
  const [, name, labels = "", value] = SAMPLE_LINE.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`No line of Prometheus: ${line}`);
  const number = value === "+Inf" ? Infinity : value === "-Inf" ? -Infinity : value === "" ? NaN : Number(value);
  if (Number.isNaN(number) && value !== "NaN") throw new Error(`No number: ${line}`);
  return { name, labels: labelsOf(labels), value: number };
}

const ESCAPED: Readonly<Record<string, string>> = { '\\"': '"', "\\\\": "\\", "\\n": "\n" };

function labelsOf(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const at = LABEL.lastIndex;
    const [, name, value] = LABEL.exec(text) ?? [];
    if (name === undefined || value === undefined) throw new Error(`No label: ${text.slice(at)}`);
    labels[name] = value.replaceAll(/\\["\\n]/g, (escaped) => ESCAPED[escaped] ?? escaped);
  }
  return labels;
}

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../../support/docs/document-tables.ts";

const readJson = async (file: string): Promise<unknown> => JSON.parse(await readFile(join(ROOT, file), "utf8"));
const readme = await readFile(join(ROOT, "README.md"), "utf8");

it("README.md fits a visit: at most 200 lines, without ids to copy", () => {
  expect(readme.split("\n").length).toBeLessThanOrEqual(200);
  expect(readme).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/i);
});

it("README.md says where it runs before the first command", () => {
  expect(readme.indexOf("WSL2")).toBeGreaterThan(0);
  expect(readme.indexOf("WSL2")).toBeLessThan(readme.indexOf("```sh"));
});

it("README.md leads to every guide", async () => {
  const guides = (await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md"));
  const index = readme.slice(readme.indexOf("## Guides"));
  expect(guides.filter((name) => !index.includes(`](docs/${name})`))).toEqual([]);
});

it("README.md has the costs that docs/deploy.md adds up", async () => {
  const deploy = await readFile(join(ROOT, "docs/deploy.md"), "utf8");
  const [dev = "", prod = ""] = [...deploy.matchAll(/\*\*together\*\*[^$]*\*\*\$([\d.]+)\*\*/g)].map(([, sum]) => sum);
  const said = `\`dev\` costs about $${Math.round(Number(dev))} a month and \`prod\` about $${Math.round(Number(prod))}`;
  expect(readme.replaceAll("\n", " ")).toContain(said);
});

it("the dev container runs README's two commands, on the Node that is installed here", async () => {
  const container = (await readJson(".devcontainer/devcontainer.json")) as Record<string, string>;
  const [, install, start] = /^```sh\n(npm \w+) && (npm \w+)\n```$/m.exec(readme) ?? [];
  expect([container["postCreateCommand"], container["postAttachCommand"]]).toEqual([install, start]);
  const { optionalDependencies } = (await readJson("package.json")) as { optionalDependencies: { node: string } };
  expect(container["image"]).toContain(`:${optionalDependencies.node.split(".")[0] ?? ""}-`);
});

/** `npm run chaos -- <component>`: the long, destructive tests of one component. Exits with 0 if every check passed. */
import { keepLoopbackDirect } from "../../runtime/platform/loopback-direct.mjs";

const COMPONENTS: Readonly<Record<string, () => Promise<{ run(): Promise<void> }>>> = {
  bus: () => import("../../runtime/local/bus/test/chaos/index.ts"),
  engine: () => import("./engine/index.ts"),
  fairness: () => import("./fairness/index.ts"),
  timers: () => import("./timers/index.ts"),
};

const [name = ""] = process.argv.slice(2);
const load = Object.hasOwn(COMPONENTS, name) ? COMPONENTS[name] : undefined;
if (!load) {
  console.error(`Name a component: ${Object.keys(COMPONENTS).join(", ")}.`);
  process.exit(2);
}
keepLoopbackDirect();
const component = await load();
await component.run();
console.error("All checks passed.");

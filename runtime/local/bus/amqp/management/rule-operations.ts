/** Management operations on the rules of a subscription. */
import { BusError } from "../../engine/errors.ts";
import type { Operation } from "./operation.ts";

const notYet: Operation = () => {
  throw new BusError("not-implemented", "Rules are not supported yet.");
};

export const addRule = notYet;
export const removeRule = notYet;
export const enumerateRules = notYet;

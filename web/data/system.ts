/** The system itself: the last sweep, and locally its programs with their consoles and restarts. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { HEALTH_EVERY_MS } from "./health.ts";
import { useClient } from "./session.ts";
import type { SystemView } from "../../runtime/client/index.ts";

/** While a program restarts. */
const RESTART_EVERY_MS = 1_000;
/** While a console is open. */
const CONSOLE_EVERY_MS = 3_000;

export function useSystem(enabled: boolean) {
  const client = useClient();
  return useQuery<SystemView>({
    queryKey: ["system"],
    enabled,
    refetchInterval: ({ state: { data, error } }) => {
      // Only a local system has programs, and the API may be the one that restarts.
      const programs = data?.programs ?? [];
      const restarts = programs.length > 0 && (error !== null || programs.some(({ state }) => state !== "running"));
      return restarts ? RESTART_EVERY_MS : HEALTH_EVERY_MS;
    },
    queryFn: ({ signal }) => client.monitoring.getSystem({ signal }),
  });
}

export function useConsole(programName: string) {
  const client = useClient();
  return useQuery({
    queryKey: ["console", programName],
    refetchInterval: CONSOLE_EVERY_MS,
    queryFn: ({ signal }) => client.monitoring.getConsole(programName, { signal }),
  });
}

export function useRestartProgram() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (programName: string) => client.management.restartProgram(programName),
    onSuccess: async (asked) => {
      // The list follows a moment later, and an answer that is on its way is of before.
      await queries.cancelQueries({ queryKey: ["system"] });
      queries.setQueryData<SystemView>(["system"], (system) => system && withRestarting(system, asked.name));
    },
  });
}

const withRestarting = (system: SystemView, programName: string): SystemView => ({
  ...system,
  programs: system.programs.map((one) => (one.name === programName ? { ...one, state: "restarting" } : one)),
});

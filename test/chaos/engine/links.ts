/** The interface by which a program of a chaos run gets its ports from the network. */

/** A file in the run's folder with the network's port. */
export const NETWORK_FILE = "network.json";

/** Query parameters of the request. The answer is the port to use instead. */
export const LINK = { program: "program", service: "service", port: "port" } as const;

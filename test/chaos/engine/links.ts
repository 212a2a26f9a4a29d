/** How a program of a chaos run asks the network for its links: words that both sides use. */

/** In the run's folder: where the network listens. */
export const NETWORK_FILE = "network.json";

/** Query parameters of a question; the answer is the port to use instead. */
export const LINK = { program: "program", service: "service", port: "port" } as const;

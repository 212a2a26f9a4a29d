/** What a user must know to attach a debugger to a job. */

/** Where debuggers look by themselves. */
export const INSPECT_PORT = 9229;

/** Lines of at most 80 characters. */
export const inspectHints = (port: number): readonly string[] => [
  `Each job waits for a debugger on 127.0.0.1:${port}, one job at a time:`,
  `  Chrome, Edge   chrome://inspect${port === INSPECT_PORT ? "" : `, with Configure … 127.0.0.1:${port}`}`,
  `  VS Code        launch.json: { "type": "node", "request": "attach",`,
  `                 "name": "Jobyard", "port": ${port}, "restart": true }`,
];

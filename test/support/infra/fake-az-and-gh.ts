/**
 * `az` and `gh` as programs on a PATH, answered by this process: a small Azure and a small GitHub that keep what they are
 * told, record every call, and refuse commands, options and queries they do not know.
 */
import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { temporaryDirectory } from "../temporary-directory.ts";

export const SUBSCRIPTION = "00000000-0000-4000-8000-000000000001";
export const TENANT = "00000000-0000-4000-8000-000000000002";

type Options = Readonly<Record<string, readonly string[]>>;

export interface FakeCloud extends AsyncDisposable {
  /** The directory of the two programs. */
  readonly bin: string;
  /** Those that change something, in order: program and words, without options. */
  readonly changes: string[];
  readonly applications: Map<
    string,
    { readonly name: string; hasPrincipal: boolean; readonly subjects: Map<string, string> }
  >;
  /** `role on scope for object`. */
  readonly roles: Set<string>;
  readonly graphPermissions: Set<string>;
  readonly resources: Map<string, string>;
  readonly providers: Set<string>;
  readonly environments: Map<string, { reviewers: number; branches: string[] }>;
  readonly variables: Map<string, string>;
  /** A plan of GitHub without required reviewers takes them, and has none. */
  hasReviewers: boolean;
}

interface Command {
  /** Every option it takes, each of which must be there. */
  readonly options: readonly string[];
  readonly changes?: true;
  readonly run: (one: (name: string) => string, all: Options) => string | readonly string[];
}

class Refusal extends Error {}

const CLIENT_ID = "00000000-0000-4000-8000-0000000000c1";
const PRINCIPAL_ID = "00000000-0000-4000-8000-0000000000c2";
const FEDERATED = ["--id", "--parameters"];

export async function fakeAzAndGh(): Promise<FakeCloud> {
  const directory = await temporaryDirectory();
  const socket = join(directory.path, "cloud.sock");
  const cloud: Omit<FakeCloud, "bin" | typeof Symbol.asyncDispose> = {
    changes: [],
    applications: new Map(),
    roles: new Set(),
    graphPermissions: new Set(),
    resources: new Map(),
    providers: new Set(["Microsoft.Storage"]),
    environments: new Map(),
    variables: new Map(),
    hasReviewers: true,
  };
  const commands = commandsOf(cloud);

  const server = createServer((request, response) => {
    void text(request).then((body) => {
      try {
        response.end(answer(cloud, commands, (request.url ?? "").slice(1), body.split("\n").slice(0, -1)));
      } catch (error) {
        response.writeHead(400).end(String(error));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  for (const program of ["az", "gh"]) {
    await writeFile(join(directory.path, program), programText(program, socket));
    await chmod(join(directory.path, program), 0o755);
  }
  return Object.assign(cloud, {
    bin: directory.path,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await directory[Symbol.asyncDispose]();
    },
  });
}

/** Sends its words, one a line. A refusal is on stderr, and with gh its body is on stdout too. */
const programText = (program: string, socket: string): string => `#!/bin/sh
send() { curl --silent --fail-with-body --unix-socket '${socket}' --data-binary @- http://cloud/${program}; }
if answer=$(for word; do printf '%s\\n' "$word"; done | send); then
  [ -z "$answer" ] || printf '%s\\n' "$answer"
else
  printf '%s\\n' "$answer" >&2
  ${program === "gh" ? `printf '%s\\n' "$answer"` : ""}
  exit 1
fi
`;

function answer(
  cloud: Pick<FakeCloud, "changes">,
  commands: Readonly<Record<string, Command>>,
  program: string,
  args: readonly string[],
): string {
  const end = args.findIndex((word) => word.startsWith("--"));
  const words = end < 0 ? args : args.slice(0, end);
  const options: Record<string, string[]> = {};
  for (let at = words.length; at < args.length; at += 2) (options[args[at]!] ??= []).push(args[at + 1]!);
  const method = options["--method"]?.[0] ?? "";
  const name = [program, ...words, method].join(" ").trimEnd();
  const found = Object.entries(commands).find(([pattern]) => new RegExp(`^(?:${pattern})$`).test(name));
  if (found === undefined) throw new Refusal(`unknown command: ${name}`);
  // As Microsoft Graph does with a malformed id.
  if (args.some((word) => word.includes("<new>"))) throw new Refusal("Invalid filter clause");
  const [, { options: known, changes, run }] = found;
  const given = Object.keys(options).filter((option) => option !== "--method" && option !== "--output");
  if (given.toSorted().join() !== known.toSorted().join()) throw new Refusal(`${name} has ${given.join(" ")}`);
  if (changes === true) cloud.changes.push(name);
  const answers = run((option) => (option === "" ? name : options[option]![0]!), options);
  return typeof answers === "string" ? answers : answers.map((line) => `${line}\n`).join("");
}

function commandsOf(cloud: Omit<FakeCloud, "bin" | typeof Symbol.asyncDispose>): Readonly<Record<string, Command>> {
  const application = (id: string) => {
    const found = cloud.applications.get(id);
    if (found === undefined) throw new Refusal(`no application ${id}`);
    return found;
  };
  const create = (type: string, name: string): string => {
    if (cloud.resources.has(name)) throw new Refusal(`${name} exists`);
    cloud.resources.set(name, type);
    return "{}";
  };
  const need = (name: string): void => {
    if (!cloud.resources.has(name)) throw new Refusal(`no ${name}`);
  };
  const trust = (id: string, parameters: string, isThere: boolean): string => {
    const { name, issuer, subject, audiences } = JSON.parse(parameters) as Record<string, string>;
    if (issuer !== "https://token.actions.githubusercontent.com") throw new Refusal(`issuer ${issuer ?? ""}`);
    if (JSON.stringify(audiences) !== '["api://AzureADTokenExchange"]') throw new Refusal("audiences");
    const { subjects } = application(id);
    if (subjects.has(name!) !== isThere) throw new Refusal(`credential ${name!} is ${isThere ? "not " : ""}there`);
    subjects.set(name!, subject!);
    return "{}";
  };
  const environment = (name: string) => {
    const found = cloud.environments.get(name.split("/").at(-1)!.split(" ")[0]!);
    if (found === undefined) throw new Refusal('{"message":"Not Found"}');
    return found;
  };

  return {
    "az account show": {
      options: ["--query"],
      run: (one) => [one("--query") === "id" ? SUBSCRIPTION : TENANT],
    },
    "az ad signed-in-user show": { options: ["--query"], run: () => ["me"] },
    "az ad app list": {
      options: ["--filter", "--query"],
      run: (one) =>
        [...cloud.applications]
          .filter(([, { name }]) => one("--filter") === `displayName eq '${name}'`)
          .map(([id]) => id),
    },
    "az ad app create": {
      options: ["--display-name", "--sign-in-audience", "--query"],
      changes: true,
      run(one) {
        cloud.applications.set(CLIENT_ID, { name: one("--display-name"), hasPrincipal: false, subjects: new Map() });
        return [CLIENT_ID];
      },
    },
    "az ad sp list": {
      options: ["--filter", "--query"],
      run: (one) =>
        [...cloud.applications]
          .filter(([id, { hasPrincipal }]) => hasPrincipal && one("--filter") === `appId eq '${id}'`)
          .map(() => PRINCIPAL_ID),
    },
    "az ad sp create": {
      options: ["--id", "--query"],
      changes: true,
      run(one) {
        application(one("--id")).hasPrincipal = true;
        return [PRINCIPAL_ID];
      },
    },
    "az ad sp show": { options: ["--id", "--query"], run: () => ["graph"] },
    "az ad app federated-credential list": {
      options: ["--id", "--query"],
      run(one) {
        const [, name = ""] = /^\[\?name=='(\w+)'\]\.subject$/.exec(one("--query")) ?? [];
        const subject = application(one("--id")).subjects.get(name);
        return subject === undefined ? [] : [subject];
      },
    },
    "az ad app federated-credential create": {
      options: FEDERATED,
      changes: true,
      run: (one) => trust(one("--id"), one("--parameters"), false),
    },
    "az ad app federated-credential update": {
      options: [...FEDERATED, "--federated-credential-id"],
      changes: true,
      run: (one) => trust(one("--id"), one("--parameters"), true),
    },
    "az group exists": { options: ["--name"], run: (one) => [String(cloud.resources.has(one("--name")))] },
    "az group create": {
      options: ["--name", "--location"],
      changes: true,
      run: (one) => create("group", one("--name")),
    },
    "az resource list": {
      options: ["--resource-group", "--query"],
      run(one) {
        need(one("--resource-group"));
        return [...cloud.resources.keys()];
      },
    },
    "az storage account create": {
      options: [
        ...["--name", "--resource-group", "--location", "--sku"],
        ...["--allow-blob-public-access", "--allow-shared-key-access", "--min-tls-version"],
      ],
      changes: true,
      run(one) {
        need(one("--resource-group"));
        if (!/^[a-z0-9]{3,24}$/.test(one("--name"))) throw new Refusal("AccountNameInvalid");
        return create("account", one("--name"));
      },
    },
    "az storage account blob-service-properties update": {
      options: [
        ...["--account-name", "--resource-group", "--enable-versioning"],
        ...["--enable-delete-retention", "--delete-retention-days"],
      ],
      changes: true,
      run(one) {
        need(one("--account-name"));
        return "{}";
      },
    },
    "az storage container-rm create": {
      options: ["--name", "--storage-account", "--resource-group"],
      changes: true,
      run(one) {
        need(one("--storage-account"));
        cloud.resources.set(one("--name"), "container");
        return "{}";
      },
    },
    "az keyvault create": {
      options: ["--name", "--resource-group", "--location", "--enable-rbac-authorization", "--enable-purge-protection"],
      changes: true,
      run(one) {
        if (!/^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$/.test(one("--name"))) throw new Refusal("VaultNameNotValid");
        return create("vault", one("--name"));
      },
    },
    "az rest put": {
      options: ["--url", "--body"],
      changes: true,
      run(one) {
        const [, vault = "", key = ""] = /\/vaults\/([^/]+)\/keys\/(\w+)\?api-version=/.exec(one("--url")) ?? [];
        need(vault);
        cloud.resources.set(key, "key");
        return "{}";
      },
    },
    "az rest get": { options: ["--url", "--query"], run: () => [...cloud.graphPermissions] },
    "az rest post": {
      options: ["--url", "--body"],
      changes: true,
      run(one) {
        const { principalId, resourceId, appRoleId } = JSON.parse(one("--body")) as Record<string, string>;
        if (!one("--url").includes(`/servicePrincipals/${PRINCIPAL_ID}/`)) throw new Refusal(one("--url"));
        if (principalId !== PRINCIPAL_ID || resourceId !== "graph") throw new Refusal(one("--body"));
        if (cloud.graphPermissions.has(appRoleId!)) throw new Refusal("Permission being assigned already exists");
        cloud.graphPermissions.add(appRoleId!);
        return "{}";
      },
    },
    "az role assignment list": {
      options: ["--role", "--scope", "--assignee", "--query"],
      run(one) {
        const role = `${one("--role")} on ${one("--scope")} for ${one("--assignee")}`;
        return cloud.roles.has(role) ? [role] : [];
      },
    },
    "az role assignment create": {
      options: ["--role", "--scope", "--assignee-object-id", "--assignee-principal-type"],
      changes: true,
      run(one) {
        const isUser = one("--assignee-object-id") === "me";
        if (one("--assignee-principal-type") !== (isUser ? "User" : "ServicePrincipal")) throw new Refusal("type");
        cloud.roles.add(`${one("--role")} on ${one("--scope")} for ${one("--assignee-object-id")}`);
        return "{}";
      },
    },
    "az provider show": {
      options: ["--namespace", "--query"],
      run: (one) => [cloud.providers.has(one("--namespace")) ? "Registered" : "NotRegistered"],
    },
    "az provider register": {
      options: ["--namespace"],
      changes: true,
      run(one) {
        cloud.providers.add(one("--namespace"));
        return "";
      },
    },
    "gh api users/\\w+": { options: ["--jq"], run: () => ["7"] },
    "gh api repos/[\\w/-]+/environments/\\w+": {
      options: ["--jq"],
      run: (one) => [String(environment(one("")).reviewers)],
    },
    "gh api repos/[\\w/-]+/environments/preview PUT": {
      options: ["--raw-field", "--field"],
      changes: true,
      run: (_one, all) => setEnvironment("preview", all["--field"]!),
    },
    "gh api repos/[\\w/-]+/environments/prod PUT": {
      options: ["--raw-field", "--field"],
      changes: true,
      run: (_one, all) => setEnvironment("prod", all["--field"]!),
    },
    "gh api repos/[\\w/-]+/environments/prod/deployment-branch-policies": {
      options: ["--jq"],
      run: () => environment("prod").branches,
    },
    "gh api repos/[\\w/-]+/environments/prod/deployment-branch-policies POST": {
      options: ["--raw-field"],
      changes: true,
      run(one) {
        environment("prod").branches.push(one("--raw-field").replace("name=", ""));
        return "{}";
      },
    },
    "gh variable get \\w+": {
      options: ["--repo"],
      run(one) {
        const value = cloud.variables.get(one("").split(" ").at(-1)!);
        if (value === undefined) throw new Refusal("variable was not found");
        return [value];
      },
    },
    "gh variable set \\w+": {
      options: ["--repo", "--body"],
      changes: true,
      run(one) {
        cloud.variables.set(one("").split(" ").at(-1)!, one("--body"));
        return "";
      },
    },
  };

  function setEnvironment(name: string, fields: readonly string[]): string {
    if (!fields.includes("reviewers[][id]=7")) throw new Refusal("no reviewer");
    const isOwn = fields.includes("deployment_branch_policy[custom_branch_policies]=true");
    if (isOwn !== (name === "prod")) throw new Refusal("branches");
    cloud.environments.set(name, { reviewers: cloud.hasReviewers ? 1 : 0, branches: [] });
    return "{}";
  }
}

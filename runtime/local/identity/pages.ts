/** The pages for signing in: plain HTML without a script. */
import type { LocalUser } from "./principals.ts";

/** Allows only the page itself and its own style. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem;color:#1b1f24}
.user{display:block;box-sizing:border-box;width:100%;background:none;text-align:left;padding:.75rem 1rem;margin:.5rem 0;border:1px solid #c9d1d9;border-radius:.5rem;color:inherit;text-decoration:none}
.user:hover,.user:focus{border-color:#0969da}small{color:#57606a}input,button{font:inherit}input,button:not(.user){padding:.5rem}`;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? "");

const page = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
  `<title>${escaped(title)}</title><style>${STYLE}</style><h1>${escaped(title)}</h1>${body}</html>`;

const CHOOSE = `<p>This works only on this machine. Choose a user. There are no passwords.</p>`;

const described = ({ name, userName, roles }: LocalUser): string =>
  `<b>${escaped(name)}</b><br><small>${escaped(userName)} · ${escaped(roles.join(", ") || "no role")}</small>`;

/** `hrefOf` returns the address that signs a user in. */
export const chooseUserPage = (users: readonly LocalUser[], hrefOf: (user: LocalUser) => string): string =>
  page(
    "Sign in",
    CHOOSE + users.map((user) => `<a class="user" href="${escaped(hrefOf(user))}">${described(user)}</a>`).join(""),
  );

export interface ChooseForm {
  /** Target of the form. */
  readonly action: string;
  /** Sent with `login`, the name of the user. */
  readonly fields: Readonly<Record<string, string>>;
}

export const chooseUserForm = (users: readonly LocalUser[], { action, fields }: ChooseForm): string => {
  const hidden = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
  );
  const buttons = users.map(
    (user) => `<button class="user" name="login" value="${escaped(user.userName)}">${described(user)}</button>`,
  );
  return page(
    "Sign in",
    `${CHOOSE}<form method="post" action="${escaped(action)}">${hidden.join("")}${buttons.join("")}</form>`,
  );
};

export const enterCodePage = (): string =>
  page(
    "Sign in a device",
    `<form><p><label>Code shown on the device: <input name="user_code" autocomplete="off" autofocus required></label> <button>Next</button></p></form>`,
  );

export const messagePage = (title: string, text: string): string => page(title, `<p>${escaped(text)}</p>`);

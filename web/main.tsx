/** Starts the dashboard: signs the user in, then shows the page of the address. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/components.css";
import "./styles/pages.css";
import "./styles/docs.css";
import { openSession, takeFragment } from "./data/sign-in.ts";
import { App } from "./shell/app.tsx";
import { SignInFailed } from "./shell/sign-in-failed.tsx";
import { applyTheme } from "./shell/theme.ts";

applyTheme();
const place = document.getElementById("root");
if (place === null) throw new Error("The page has no place for the dashboard.");
const root = createRoot(place);

// Secrets leave the address at once, also if the API is down.
const fragment = takeFragment();

async function open(): Promise<void> {
  try {
    const session = await openSession(fragment);
    // Undefined: the browser is on its way to the issuer.
    if (session !== undefined) {
      root.render(
        <StrictMode>
          <App session={session} />
        </StrictMode>,
      );
    }
  } catch (error) {
    root.render(<SignInFailed error={error} onRetry={open} />);
  }
}
await open();

// Runs the browser tests against the fixture server, including the states that only it can show.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startFixture } from "../dev/fixture-server.mjs";

const { server, url } = await startFixture();
const files = ["console.e2e.mjs", "states.e2e.mjs", "incidents.e2e.mjs"].map((f) =>
  fileURLToPath(new URL(f, import.meta.url)),
);
const env = { ...process.env, FAULTLINE_URL: url, E2E_FIXTURE: "1" };
const child = spawn(process.execPath, ["--test", "--test-concurrency=1", ...files], { env, stdio: "inherit" });
child.on("exit", (code) => {
  server.closeAllConnections();
  server.close(() => process.exit(code ?? 1));
});

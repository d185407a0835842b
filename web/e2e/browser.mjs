// Shared parts of the browser tests: Debian's chromium through playwright-core, axe, and the checks that each page must pass.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env.SCREENSHOT_DIR ?? "";
export const base = (process.env.FAULTLINE_URL ?? "").replace(/\/$/, "");
export const isFixture = process.env.E2E_FIXTURE === "1";

export function password() {
  const file = process.env.FAULTLINE_PASSWORD_FILE;
  if (!file) return "fixture";
  return readFileSync(file, "utf8").trim();
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page that collects what must not happen: errors on the console, exceptions, requests to other places. */
export async function openPage(browser, { scheme = "light", width = 1440, height = 900 } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    reducedMotion: "reduce",
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]).catch(() => {});
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const faults = [];
  page.on("console", (m) => {
    if (m.type() !== "error") return;
    // The browser itself reports any answer with an error status; asking for a session without having one is such an answer.
    const url = m.location().url;
    if (/status of 401/.test(m.text()) && url.endsWith("/api/v1/session")) return;
    faults.push(`${m.text()} (${url})`);
  });
  page.on("pageerror", (e) => faults.push(`uncaught: ${e.message}`));
  page.on("request", (r) => {
    if (!r.url().startsWith(base) && !r.url().startsWith("data:") && !r.url().startsWith("blob:")) {
      faults.push(`request to elsewhere: ${r.url()}`);
    }
  });
  return { page, context, faults };
}

export async function signIn(page) {
  await page.goto(`${base}/`);
  await page.getByLabel("User").fill("admin");
  await page.locator("input[type=password]").fill(password());
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Main" }).or(page.getByLabel("Open navigation")).first().waitFor();
}

export async function violations(page) {
  // Injected through the debugging protocol, so that the page's content security policy stays as it is.
  await page.evaluate(axeSource);
  const result = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }),
  );
  return result.violations.map(
    (v) =>
      `${v.id} (${v.impact}): ${v.help}\n    ${v.nodes
        .slice(0, 3)
        .map((n) => `${n.target.join(" ")} ${n.any[0]?.message ?? ""}`)
        .join("\n    ")}`,
  );
}

export async function axe(page, name) {
  const found = await violations(page);
  assert.equal(found.length, 0, `axe on ${name}:\n  ${found.join("\n  ")}`);
}

export async function noSidewaysScroll(page, name) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(over <= 0, `${name} is ${over} px wider than the screen`);
}

export async function shot(page, name) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

/** Waits until a condition of the server holds, with a deadline. */
export async function eventually(what, condition, deadlineMs = isFixture ? 8_000 : 60_000) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition().catch(() => undefined);
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${deadlineMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

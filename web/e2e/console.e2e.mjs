// The console against a running server: FAULTLINE_URL and FAULTLINE_PASSWORD_FILE say which; SCREENSHOT_DIR keeps pictures.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { after, before, describe, test } from "node:test";
import {
  axe,
  base,
  eventually,
  isFixture,
  launch,
  noSidewaysScroll,
  openPage,
  shot,
  signIn,
  violations,
} from "./browser.mjs";

assert.ok(base, "set FAULTLINE_URL to the address of the server");

const traceId = isFixture ? "abcabcabcabcabcabcabcabcabcabcab" : randomBytes(16).toString("hex");
const word = isFixture ? "checkpoint" : `e2e-${randomBytes(6).toString("hex")}`;
let browser;
let desk;
let host;

const ns = (ms) => `${Math.round(ms)}000000`;
const str = (key, stringValue) => ({ key, value: { stringValue } });

/** Sends one trace and one log line as an application would, so that the pages have something that is known. */
async function sendTelemetry() {
  const now = Date.now();
  const resource = { attributes: [str("service.name", "e2e-shop"), str("host.name", hostname())] };
  const rootId = randomBytes(8).toString("hex");
  const span = (spanId, parentSpanId, name, from, ms, extra = {}) => ({
    traceId,
    spanId,
    parentSpanId,
    name,
    kind: 2,
    startTimeUnixNano: ns(now - 2000 + from),
    endTimeUnixNano: ns(now - 2000 + from + ms),
    ...extra,
  });
  const spans = [
    span(rootId, "", "POST /e2e", 0, 800),
    span(randomBytes(8).toString("hex"), rootId, "SELECT e2e", 100, 300, { status: { code: 2, message: "deadlock" } }),
  ];
  const post = async (path, body) => {
    const answer = await fetch(`${base}${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.ok(answer.ok, `${path} answered ${answer.status}: ${await answer.text()}`);
  };
  await post("/v1/traces", { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "e2e" }, spans }] }] });
  const record = {
    timeUnixNano: ns(now - 1500),
    severityNumber: 17,
    severityText: "ERROR",
    body: { stringValue: `payment refused ${word}` },
    traceId,
    spanId: rootId,
  };
  await post("/v1/logs", {
    resourceLogs: [{ resource, scopeLogs: [{ scope: { name: "e2e" }, logRecords: [record] }] }],
  });
}

before(async () => {
  browser = await launch();
  if (!isFixture) await sendTelemetry();
  desk = await openPage(browser);
});

after(async () => {
  await browser?.close();
});

const get = async (path) => {
  const answer = await desk.context.request.get(`${base}${path}`);
  return answer.ok() ? answer.json() : undefined;
};

describe("console", () => {
  test("a wrong password is refused with a reason", async () => {
    const { page, context } = await openPage(browser);
    await page.goto(`${base}/`);
    await page.getByText("admin-password").first().waitFor();
    await page.getByLabel("User").fill("admin");
    await page.locator("input[type=password]").fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("not right").waitFor();
    await axe(page, "sign-in");
    await shot(page, "sign-in");
    await context.close();
  });

  test("signing in opens the first-run page, which turns green", async () => {
    const { page } = desk;
    await signIn(page);
    await page.getByRole("heading", { name: "Getting started" }).waitFor();
    const agent = page.locator('[data-protocol="agent"]');
    await agent.waitFor();
    assert.equal(await page.locator("[data-protocol]").first().getAttribute("data-protocol"), "agent");
    await page.locator('[data-protocol="agent"][data-waiting="false"]').waitFor({ timeout: 60_000 });
    await agent.getByText("receiving").waitFor();
    await shot(page, "getting-started");
    await page.getByRole("button", { name: "Open the hosts" }).click();
    await page.waitForURL("**/hosts**");
  });

  test("the hosts list shows this host, up and with figures", async () => {
    const { page } = desk;
    host = await eventually("a host that is up with CPU figures", async () => {
      const hosts = (await get("/api/v1/hosts"))?.items ?? [];
      const here =
        hosts.find((h) => h.name === hostname()) ?? (isFixture ? hosts.find((h) => h.name === "db-02") : undefined);
      return here?.up && here.cpu_ratio !== undefined ? here : undefined;
    });
    await page.goto(`${base}/hosts`);
    const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: host.name, exact: true }) });
    await row.getByText("up", { exact: true }).waitFor();
    assert.match(await row.textContent(), /\d\s%/);
    await page.keyboard.press("j");
    assert.equal(await page.locator('tr[data-active="true"]').count(), 1);
    await page.keyboard.press("/");
    await page.keyboard.type(host.name);
    await page.waitForURL((u) => u.searchParams.get("q") === host.name);
    await row.waitFor();
  });

  test("the host page has charts with data, processes and logs", async () => {
    const { page } = desk;
    await page.goto(`${base}/hosts/${encodeURIComponent(host.id)}`);
    for (const title of ["CPU by mode", "Load average", "Memory by state"]) {
      const chart = page.getByRole("region", { name: title, exact: true }).locator('[role="img"]');
      await chart.waitFor({ timeout: 30_000 });
      assert.match((await chart.getAttribute("aria-label")) ?? "", /highest [\d.]/);
    }
    assert.ok((await page.locator("canvas").count()) >= 3);
    await page.getByRole("button", { name: "CPU by mode as table" }).click();
    await page.getByRole("table", { name: "CPU by mode as table" }).waitFor();
    await page.getByRole("tab", { name: "Processes" }).click();
    await page.getByRole("table", { name: "Processes" }).getByRole("row").nth(2).waitFor({ timeout: 60_000 });
    await page.getByRole("tab", { name: "Inventory" }).click();
    await page.getByText("Logical CPUs", { exact: true }).waitFor();
    await page.getByRole("tab", { name: "Logs" }).click();
    await page.getByRole("region", { name: "Log lines" }).getByRole("listitem").first().waitFor({ timeout: 30_000 });
  });

  test("metrics: a query typed into the editor is completed, run and shared by address", async () => {
    const { page } = desk;
    await page.goto(`${base}/explore/metrics`);
    const editor = page.getByRole("textbox", { name: "Query A" });
    await editor.click();
    await page.keyboard.type("system_cpu_load_av");
    await page.getByRole("listbox").getByText("system_cpu_load_average_1m").first().waitFor({ timeout: 20_000 });
    await page.keyboard.press("Escape");
    await page.keyboard.type("erage_1m");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+Enter");
    const chart = page.getByRole("region", { name: "Result" }).locator('[role="img"]');
    await chart.waitFor();
    assert.match((await chart.getAttribute("aria-label")) ?? "", /last [\d.]/);
    assert.equal(new URL(page.url()).searchParams.get("expr"), "system_cpu_load_average_1m");
    await page.goto(`${base}/explore/metrics?expr=${encodeURIComponent("sum(")}`);
    await page
      .getByRole("alert")
      .getByText(/parse error/)
      .first()
      .waitFor();
    desk.faults.splice(0, desk.faults.length, ...desk.faults.filter((f) => !/400.*query_range/.test(f)));
  });

  test("logs: search, details, way to the trace, histogram", async () => {
    const { page } = desk;
    await eventually(
      "the log line is stored",
      async () => ((await get(`/api/v1/logs?query=${word}&start=now-1h`))?.items ?? []).length > 0,
    );
    await page.goto(`${base}/logs`);
    await page.getByLabel("Search logs").fill(word);
    await page.keyboard.press("Enter");
    const line = page.getByRole("region", { name: "Log lines" }).getByRole("button").first();
    await line.getByText(word).first().waitFor();
    await line.click();
    await page.getByRole("heading", { name: "Resource" }).first().waitFor();
    await page.getByRole("region", { name: "Lines over time" }).locator('[role="img"]').waitFor();
    if (!isFixture) assert.ok(await page.getByRole("link", { name: /Show trace/ }).isVisible());
    await shot(page, "log-details");
  });

  test("logs: following shows a line that arrives, and can be paused", async () => {
    const { page } = desk;
    await page.goto(`${base}/logs?live=1`);
    await page.getByText("following", { exact: true }).waitFor({ timeout: 20_000 });
    if (!isFixture) await sendTelemetry();
    await page.getByRole("region", { name: "Log lines" }).getByRole("listitem").first().waitFor({ timeout: 30_000 });
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: /Resume/ }).waitFor();
  });

  test("a trace is found and shown as a waterfall, moved through by keyboard", async () => {
    const { page } = desk;
    await eventually(
      "the trace is stored",
      async () => ((await get(`/api/v1/traces/${traceId}`))?.spans ?? []).length > 1,
    );
    await page.goto(`${base}/traces`);
    await page.getByRole("table", { name: "Traces" }).getByRole("link").first().waitFor({ timeout: 30_000 });
    await page.goto(`${base}/traces/${traceId}`);
    await page.getByRole("treeitem").nth(1).waitFor();
    await page
      .getByText(/with errors/)
      .first()
      .waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.getByRole("complementary", { name: "Span" }).waitFor();
    assert.ok(new URL(page.url()).searchParams.get("span"));
    const before = await page.getByRole("treeitem").count();
    await page.getByRole("button", { name: "Collapse all" }).click();
    await page.keyboard.press("k");
    await page.keyboard.press("ArrowLeft");
    assert.ok((await page.getByRole("treeitem").count()) < before);
  });

  test("ingest health shows a ledger that balances, streams and storage", async () => {
    const { page } = desk;
    await page.goto(`${base}/ingest`);
    const ledger = page.getByRole("table", { name: "Ledger" });
    await ledger.getByRole("row").nth(1).waitFor();
    await page.getByText("balanced", { exact: true }).first().waitFor();
    await page.getByRole("table", { name: "Storage" }).getByRole("row").nth(1).waitFor();
    await page.getByRole("heading", { name: "Retention" }).waitFor();
  });

  test("log patterns: a line that was sent is a pattern, and its row leads to the lines", async () => {
    const { page } = desk;
    const text = isFixture ? "checkpoint" : "payment refused";
    await page.goto(`${base}/patterns`);
    const row = page.locator("table tbody tr", { hasText: text }).first();
    await eventually("the pattern is listed", async () => {
      await page.reload();
      await row.waitFor({ timeout: 5000 });
      return true;
    });
    await row.getByRole("link").click();
    await page.waitForURL("**/logs**");
    await page.getByText(text).first().waitFor();
  });

  test("keyboard: command menu, help and go-to keys", async () => {
    const { page } = desk;
    await page.goto(`${base}/hosts`);
    await page.getByRole("heading", { name: "Hosts", exact: true }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.waitForURL("**/services**");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard" }).getByText("Command menu").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Keyboard" }).waitFor({ state: "detached" });
    await page.keyboard.press("Control+k");
    await page.getByPlaceholder(/Go to a page/).fill("Ingest");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/ingest**");
  });

  test("the time range is set in the picker and lives in the address", async () => {
    const { page } = desk;
    await page.goto(`${base}/hosts`);
    await page.getByTestId("time-range").click();
    await page.getByRole("button", { name: "15 minutes" }).click();
    await page.waitForURL((u) => u.searchParams.get("from") === "now-15m");
    await page.getByTestId("time-range").click();
    await page.getByLabel("From").fill("now-90m");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.waitForURL((u) => u.searchParams.get("from") === "now-90m");
  });

  const routes = () => [
    ["getting-started", "/start", '[data-protocol="agent"]'],
    ["incidents", "/incidents", isFixture ? "table tbody tr" : '[data-state="empty"], table tbody tr'],
    ["hosts", "/hosts", "table tbody tr"],
    ["host", `/hosts/${encodeURIComponent(host.id)}`, "canvas"],
    ["processes", `/hosts/${encodeURIComponent(host.id)}?tab=processes`, "table tbody tr"],
    ["metrics", `/explore/metrics?expr=system_cpu_load_average_1m`, ".cm-content"],
    ["logs", "/logs", '[role="listitem"]'],
    ["patterns", "/patterns", "table tbody tr"],
    ["traces", "/traces", "table tbody tr"],
    ["trace", `/traces/${traceId}`, '[role="treeitem"]'],
    ["services", "/services", "main h1"],
    ["ingest", "/ingest", "table tbody tr"],
    ["not-found", "/no-such-page", "main h1"],
  ];

  for (const scheme of ["light", "dark"]) {
    test(`axe finds nothing on any page, ${scheme}`, async () => {
      const { page, context, faults } = await openPage(browser, { scheme });
      await signIn(page);
      const found = [];
      for (const [name, path, ready] of routes()) {
        await page.goto(base + path);
        await page.locator(ready).first().waitFor({ timeout: 30_000 });
        await page.waitForLoadState("networkidle");
        found.push(...(await violations(page)).map((v) => `${name}: ${v}`));
        await shot(page, `${name}-${scheme}`);
      }
      assert.equal(found.length, 0, `axe, ${scheme}:\n${found.join("\n")}`);
      assert.deepEqual(faults, []);
      await context.close();
    });
  }

  test("a narrow screen needs no sideways scrolling", async () => {
    const { page, context, faults } = await openPage(browser, { width: 390, height: 844 });
    await signIn(page);
    for (const [name, path, ready] of routes()) {
      await page.goto(base + path);
      await page.locator(ready).first().waitFor({ timeout: 30_000 });
      await noSidewaysScroll(page, name);
      await shot(page, `${name}-narrow`);
    }
    await page.getByRole("button", { name: "Open navigation" }).click();
    await page.getByRole("dialog").getByRole("link", { name: "Logs" }).click();
    await page.waitForURL("**/logs**");
    assert.deepEqual(faults, []);
    await context.close();
  });

  test("signing out ends the session", async () => {
    const { page, context } = await openPage(browser);
    await signIn(page);
    await page.getByRole("button", { name: /^Account/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    const answer = await context.request.get(`${base}/api/v1/session`);
    assert.equal(answer.status(), 401);
    await context.close();
  });

  test("nothing was written to the browser's console as an error", () => {
    assert.deepEqual(desk.faults, []);
  });
});

// States that a healthy server does not show: against the fixture server, which can be told to be in them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axe, base, launch, openPage, shot, signIn } from "./browser.mjs";

let browser;
let desk;

const set = (flags) => fetch(`${base}/fixture?set=${flags}`, { method: "POST" });

before(async () => {
  await set("");
  browser = await launch();
  desk = await openPage(browser);
  await signIn(desk.page);
});

after(async () => {
  await set("");
  await browser?.close();
});

describe("states", () => {
  for (const [flag, text] of [
    ["disk-warn", /84 % full/],
    ["disk-full", /oldest partitions/],
    ["warning", /clock of web-ams-01/],
  ]) {
    test(`${flag} is said on every page`, async () => {
      const { page } = desk;
      await set(flag);
      for (const path of [
        "/incidents",
        "/hosts",
        "/logs",
        "/explore/metrics",
        "/patterns",
        "/traces",
        "/services",
        "/ingest",
        "/start",
      ]) {
        await page.goto(base + path);
        await page.getByRole("status", { name: "Server status" }).getByText(text).waitFor();
      }
      await axe(page, flag);
      await shot(page, `state-${flag}`);
    });
  }

  test("partial answers say what is missing", async () => {
    const { page } = desk;
    await set("partial");
    for (const path of [
      "/hosts",
      "/logs",
      "/patterns",
      "/traces",
      "/services",
      "/explore/metrics?expr=http_requests",
    ]) {
      await page.goto(base + path);
      await page.locator('[data-state="partial"]').first().waitFor();
    }
    await axe(page, "partial");
  });

  test("empty answers say why and offer one next step", async () => {
    const { page } = desk;
    await set("empty");
    for (const path of ["/incidents", "/hosts", "/logs", "/patterns", "/traces", "/services", "/ingest"]) {
      await page.goto(base + path);
      await page.locator('[data-state="empty"]').first().waitFor();
    }
    await page.goto(`${base}/hosts`);
    await page.locator('[data-state="empty"]').getByRole("link").click();
    await page.waitForURL("**/start**");
    await shot(page, "state-empty");
  });

  test("errors show code, hint and a retry that works", async () => {
    const { page } = desk;
    await set("errors");
    await page.goto(`${base}/hosts`);
    const alert = page.locator('[data-state="error"]').first();
    await alert.getByText("store_unavailable").waitFor({ timeout: 15_000 });
    await alert.getByText("restarted by itself").waitFor();
    await axe(page, "error");
    await shot(page, "state-error");
    await set("");
    await alert.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("table", { name: "Hosts" }).waitFor();
  });

  test("a server that goes away leaves the data, marked stale, and comes back by itself", async () => {
    const { page } = desk;
    await set("");
    await page.goto(`${base}/hosts?refresh=5s`);
    await page.getByRole("table", { name: "Hosts" }).waitFor();
    await set("unreachable");
    await page.locator('[data-notice="unreachable"]').waitFor({ timeout: 20_000 });
    assert.ok(await page.getByRole("table", { name: "Hosts" }).isVisible());
    await shot(page, "state-unreachable");
    await set("");
    await page.locator('[data-notice="unreachable"]').waitFor({ state: "detached", timeout: 20_000 });
  });

  test("the first run turns green while one looks at it", async () => {
    const { page } = desk;
    await set("waiting,agent-waits");
    await page.goto(`${base}/start`);
    await page.locator('[data-protocol="agent"][data-waiting="true"]').waitFor();
    await set("waiting");
    await page.locator('[data-protocol="agent"][data-waiting="false"]').waitFor({ timeout: 6_000 });
    await set("");
  });

  test("a rate limit is counted down", async () => {
    await set("limited");
    const { page, context } = await openPage(browser);
    await page.goto(`${base}/`);
    await page.locator("input[type=password]").fill("fixture");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: /Wait \d s/ }).waitFor();
    await axe(page, "rate limited");
    await set("");
    await page.getByRole("button", { name: "Sign in" }).waitFor({ timeout: 10_000 });
    await context.close();
  });

  test("a trace of 5,000 spans draws only what is in sight; one without root says so", async () => {
    const { page } = desk;
    await page.goto(`${base}/traces/b16cabcabcabcabcabcabcabcabcabca`);
    await page.getByText("5 000 spans").waitFor();
    assert.ok((await page.getByRole("treeitem").count()) < 120);
    await page.getByRole("button", { name: "Collapse all" }).click();
    await page.goto(`${base}/traces/0ffcabcabcabcabcabcabcabcabcabca`);
    await page
      .locator('[data-notice="incomplete"]')
      .getByText(/root span is missing/)
      .waitFor();
    await axe(page, "trace without root");
    await page.goto(`${base}/traces/00000000000000000000000000000000`);
    await page.getByRole("heading", { name: "Trace not found" }).waitFor();
  });

  test("more lines than one can see are cut, and it is said", async () => {
    const { page } = desk;
    await page.goto(`${base}/explore/metrics?expr=many_series`);
    await page.getByText("50 of 120 series are drawn").waitFor();
  });

  test("a dead letter is replayed", async () => {
    const { page } = desk;
    await page.goto(`${base}/ingest`);
    await page.getByRole("button", { name: "Replay batch 41" }).click();
    await page.getByText("Batch 41 is back on its stream").waitFor();
    await page.getByRole("button", { name: "Replay batch 41" }).waitFor({ state: "detached" });
  });

  test("the tail says how many lines were left out", async () => {
    const { page } = desk;
    await page.goto(`${base}/logs?live=1`);
    await page.locator('[data-notice="dropped"]').waitFor({ timeout: 15_000 });
    await axe(page, "live tail");
  });
});

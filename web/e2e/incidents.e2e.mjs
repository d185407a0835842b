// Incidents in the console: against the fixture server, whose incidents are known and do what they are told.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axe, base, launch, noSidewaysScroll, openPage, shot, signIn } from "./browser.mjs";

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

/** Notices lie over the corner of the page until they go by themselves. */
async function closeNotices(page) {
  const close = page.locator(".mantine-Notification-closeButton");
  while ((await close.count()) > 0) await close.first().click();
}

const rows = (page) => page.getByRole("table", { name: "Incidents" }).getByRole("row");

describe("incidents", () => {
  test("the list is gone through by keyboard", async () => {
    const { page } = desk;
    await page.goto(`${base}/hosts`);
    await page.getByRole("heading", { name: "Hosts" }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("n");
    await page.waitForURL("**/incidents**");
    await rows(page).nth(2).waitFor();
    assert.equal(await rows(page).count(), 3); // A head and two that are not over.
    assert.match(
      (await rows(page).nth(1).textContent()) ?? "",
      /critical.*open.*checkout: latency.*deployment.*82 %.*likely/s,
    );
    assert.match((await rows(page).nth(2).textContent()) ?? "", /medium.*no clear cause/s);
    await page.getByText("checked up to").waitFor();
    await axe(page, "incidents");
    await shot(page, "incidents");
    await page.keyboard.press("j");
    await page.keyboard.press("a");
    const notice = page.getByRole("alert").filter({ hasText: "Acknowledged" });
    await notice.waitFor();
    await axe(page, "incidents with a notice");
    await rows(page).nth(1).getByRole("img", { name: "acknowledged" }).waitFor();
    await notice.getByRole("button", { name: "Undo" }).click();
    await rows(page).nth(1).getByText("nobody").waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL("**/incidents/inc00000000a1**");
  });

  test("filters are in the address, and nothing found says so", async () => {
    const { page } = desk;
    await page.goto(`${base}/incidents?view=all&severity=low`);
    await rows(page).nth(1).getByText("backup").waitFor();
    assert.equal(await rows(page).count(), 2);
    await page.keyboard.press("/");
    await page.keyboard.type("nothing of that name");
    await page.getByText("No incident matches these filters").waitFor();
    assert.equal(new URL(page.url()).searchParams.get("q"), "nothing of that name");
    await page.getByRole("button", { name: "Clear filters" }).click();
    await rows(page).nth(2).waitFor();
    assert.equal(new URL(page.url()).search, "");
  });

  test("silence is not taken for health", async () => {
    const { page } = desk;
    await set("empty");
    await page.goto(`${base}/incidents`);
    await page.getByText("Nothing is wrong in what is watched").waitFor();
    await page.getByText(/18.412 series of 41 entities/).waitFor();
    await set("no-brain");
    await page.goto(`${base}/incidents`);
    await page.getByText("Nothing watches for incidents").waitFor();
    await axe(page, "incidents without a brain");
    await set("");
  });

  test("the page of one tells why, what failed first, who is affected", async () => {
    const { page } = desk;
    await page.goto(`${base}/incidents/inc00000000a1`);
    await page.getByRole("heading", { level: 1, name: /checkout: latency/ }).waitFor();
    const cause = page.getByRole("region", { name: "Root cause" });
    await cause.getByText("The rollout of checkout 7 made its requests slow").waitFor();
    await cause.getByText("Version 7 was rolled out 20 s before").waitFor();
    await cause.locator("canvas").first().waitFor();
    assert.match(
      (await cause.locator('[role="img"][tabindex]').first().getAttribute("aria-label")) ?? "",
      /highest 1\.9/,
    );
    await page.getByRole("region", { name: "First failure" }).getByText("12 % of the requests").waitFor();
    await page.getByRole("region", { name: "Impact" }).getByText("3 of 8 services").waitFor();
    await page.getByRole("list", { name: "Timeline entries" }).getByText("offered as the cause").first().waitFor();
    await page.getByRole("table", { name: "Members" }).getByText("calls checkout, onset 40 s later").waitFor();
    await axe(page, "incident");
    await shot(page, "incident");
    await page.keyboard.press("2");
    await cause.getByText("Connections rose at the same time.").waitFor();
    await cause.getByText("queries are as fast as before").waitFor();
    assert.equal(new URL(page.url()).searchParams.get("cause"), "2");
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("Copy as Markdown").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  });

  test("judging a cause, a member and the whole can be taken back", async () => {
    const { page } = desk;
    await page.goto(`${base}/incidents/inc00000000a1`);
    const cause = page.getByRole("region", { name: "Root cause" });
    await cause.getByRole("button", { name: "Not this" }).click();
    await cause.getByText("admin said that this is not the cause").waitFor();
    await cause.getByRole("button", { name: "Undo" }).click();
    await cause.getByRole("button", { name: "Not this" }).waitFor();
    const judgements = page.getByRole("list", { name: "Judgements" });
    await judgements.getByText("taken back").waitFor();
    await page.getByRole("button", { name: "Judge request_error_ratio of frontend" }).click();
    await page.getByRole("menuitem", { name: "Does not belong here" }).click();
    await judgements.getByText("request_error_ratio is not related").waitFor();
    await closeNotices(page);
    await page.getByRole("button", { name: "Judge connections of orders-db" }).click();
    await page.getByRole("menuitem", { name: "Mute…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Why").fill("known and planned");
    await axe(page, "mute");
    await dialog.getByRole("button", { name: "Mute" }).click();
    await judgements.getByText("known and planned").waitFor();
    await page.keyboard.press("y");
    await judgements.getByText("this incident is right").waitFor();
  });

  test("acknowledging, assigning, commenting, splitting, resolving and reopening", async () => {
    const { page } = desk;
    await page.goto(`${base}/incidents/inc00000000b2`);
    await page.getByText("No clear cause").waitFor();
    await page.getByText("48 signals of 2 entities").waitFor();
    await page.keyboard.press("a");
    await page.getByText(/^acknowledged by admin/).waitFor();
    await page.keyboard.press("i");
    await page.getByText("assigned to admin", { exact: true }).waitFor();
    await page.keyboard.press("m");
    await page.keyboard.type("looking at the new log lines");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("region", { name: "Comments" }).getByText("looking at the new log lines").waitFor();
    await page.getByRole("list", { name: "Timeline entries" }).getByText("looking at the new log lines").waitFor();
    await page.getByRole("radiogroup", { name: "What the timeline shows" }).getByText("People").click();
    await page
      .getByRole("list", { name: "Timeline entries" })
      .getByText("left its band")
      .first()
      .waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Copy as Markdown" }).click();
    await page.getByText("Copied as Markdown").first().waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /# cart: 3 kinds of log lines/);
    await page.getByRole("heading", { level: 1 }).click();
    await page.keyboard.press("r");
    await page.getByRole("button", { name: "Reopen" }).waitFor();
    await page.keyboard.press("r");
    await page.getByRole("button", { name: "Resolve" }).waitFor();
    await page.goto(`${base}/incidents/inc00000000a1`);
    await page.getByRole("checkbox", { name: "Choose connections of orders-db" }).check();
    await page.getByRole("button", { name: "Split 1 out" }).click();
    await page.getByText("2 findings,").waitFor();
    await closeNotices(page);
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: /Merge with another/ }).click();
    await page.getByRole("dialog").getByLabel("Other incident").click();
    await page.getByRole("option", { name: /cart: 3 kinds/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Merge" }).click();
    await page.getByRole("alert").filter({ hasText: "Merged" }).waitFor();
  });

  test("what somebody else does appears by itself", async () => {
    const { page } = desk;
    await page.goto(`${base}/incidents/inc00000000a1`);
    await page.getByRole("heading", { level: 1, name: /checkout: latency/ }).waitFor();
    const answer = await desk.context.request.post(`${base}/api/v1/incidents/inc00000000a1/comment`, {
      data: { text: "from another tab" },
      headers: { "X-Faultline-CSRF": "fixture-csrf" },
    });
    assert.ok(answer.ok());
    await page.getByRole("region", { name: "Comments" }).getByText("from another tab").waitFor();
  });

  test("a command that waits for the brain is said to", async () => {
    const { page } = desk;
    await set("brain-away");
    await page.goto(`${base}/incidents/inc00000000a1`);
    await page.getByRole("button", { name: "Assign to me" }).click();
    await page.getByRole("alert").filter({ hasText: "Queued: Assigned to admin" }).waitFor();
    await set("");
  });

  test("one that is not there says so", async () => {
    const { page } = desk;
    await page.goto(`${base}/incidents/nope`);
    await page.getByText("Incident not found").waitFor();
    desk.faults.splice(0, desk.faults.length, ...desk.faults.filter((f) => !/404.*incidents\/nope/.test(f)));
  });

  for (const look of [
    { name: "dark", scheme: "dark", width: 1440 },
    { name: "narrow", scheme: "light", width: 390 },
  ]) {
    test(`${look.name}: list and page`, async () => {
      const other = await openPage(browser, look);
      await signIn(other.page);
      await other.page.goto(`${base}/incidents`);
      await rows(other.page).nth(1).waitFor();
      await axe(other.page, `incidents ${look.name}`);
      await noSidewaysScroll(other.page, `incidents ${look.name}`);
      await shot(other.page, `incidents-${look.name}`);
      await other.page.goto(`${base}/incidents/inc00000000a1`);
      await other.page.getByRole("region", { name: "Root cause" }).locator("canvas").first().waitFor();
      await axe(other.page, `incident ${look.name}`);
      await noSidewaysScroll(other.page, `incident ${look.name}`);
      await shot(other.page, `incident-${look.name}`);
      assert.deepEqual(other.faults, []);
      await other.context.close();
    });
  }

  test("nothing broke on the way", () => assert.deepEqual(desk.faults, []));
});

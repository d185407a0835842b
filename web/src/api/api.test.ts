import { afterEach, describe, expect, it, vi } from "vitest";
import { Client, queryString } from "./client";
import { ApiError, asApiError, errorFromAnswer } from "./errors";
import { queryRange } from "./prom";

const client = (onUnauthenticated = () => {}) => new Client({ csrfToken: () => "token", onUnauthenticated });

function answer(status: number, body: string, headers: Record<string, string> = {}) {
  const calls: { url: string; init: RequestInit }[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    calls.push({ url, init });
    return new Response(status === 204 ? null : body, { status, headers });
  });
  return calls;
}

afterEach(() => vi.unstubAllGlobals());

describe("client", () => {
  it("fills paths and repeats lists", async () => {
    const calls = answer(200, "{}");
    await client().get("/api/v1/hosts/{id}", { ids: { id: "a/b" }, query: { start: "now-1h" } });
    expect(calls[0]?.url).toBe("/api/v1/hosts/a%2Fb?start=now-1h");
    expect(queryString({ service: ["a", "b"], q: "", n: undefined, limit: 5 })).toBe("?service=a&service=b&limit=5");
  });
  it("sends the CSRF token with writes and only with them", async () => {
    const calls = answer(202, "");
    await client().replayDeadLetter(7, "key");
    await client()
      .request("GET", "/api/v1/system")
      .catch(() => {});
    expect(calls[0]?.init.headers).toMatchObject({ "X-Faultline-CSRF": "token", "Idempotency-Key": "key" });
    expect(calls[1]?.init.headers).not.toHaveProperty("X-Faultline-CSRF");
  });
  it("says when the session ended, but not for the session itself", async () => {
    const ended = vi.fn();
    answer(401, '{"code":"unauthenticated"}');
    await expect(client(ended).get("/api/v1/session")).rejects.toBeInstanceOf(ApiError);
    expect(ended).not.toHaveBeenCalled();
    await expect(client(ended).get("/api/v1/system")).rejects.toMatchObject({ code: "unauthenticated" });
    expect(ended).toHaveBeenCalledOnce();
  });
  it("calls a network that is down unreachable", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("Failed to fetch");
    });
    await expect(client().get("/api/v1/system")).rejects.toMatchObject({
      code: "unreachable",
      status: 0,
      transient: true,
    });
  });
  it("does not take a proxy's page for an answer", async () => {
    answer(200, "<html>");
    await expect(client().get("/api/v1/system")).rejects.toMatchObject({ code: "bad_answer" });
  });
});

describe("errors", () => {
  it("read problem+json", () => {
    const body = JSON.stringify({
      title: "t",
      detail: "d",
      code: "c",
      hint: "h",
      instance: "01J",
      retry_after_ms: 2500,
      errors: [{ location: "query.x", message: "m" }],
    });
    expect(errorFromAnswer(422, new Headers(), body)).toMatchObject({
      message: "d",
      code: "c",
      hint: "h",
      requestId: "01J",
      retryAfterMs: 2500,
      details: [{ location: "query.x", message: "m" }],
    });
  });
  it("read Prometheus' dialect, Retry-After and no body at all", () => {
    expect(
      errorFromAnswer(400, new Headers(), '{"status":"error","errorType":"bad_data","error":"parse"}'),
    ).toMatchObject({ code: "bad_data", message: "parse" });
    expect(errorFromAnswer(429, new Headers({ "Retry-After": "3" }), "").retryAfterMs).toBe(3000);
    expect(errorFromAnswer(503, new Headers(), "nginx")).toMatchObject({ code: "http_503", transient: true });
    expect(asApiError(new Error("x"))).toMatchObject({ code: "console" });
  });
});

describe("queryRange", () => {
  const window = { startMs: 1_000_007_000, endMs: 1_000_607_000 };
  it("aligns to the step and reads vectors and scalars as series", async () => {
    const calls = answer(
      200,
      '{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"1"},"value":[1,"2"]}]},"warnings":["w"]}',
    );
    const result = await queryRange(client(), "up", window, 15);
    const url = new URL(calls[0]?.url ?? "", "http://x");
    expect(Number(url.searchParams.get("start")) % 15).toBe(0);
    expect(result).toMatchObject({ warnings: ["w"], samples: 1, series: [{ metric: { a: "1" }, values: [[1, "2"]] }] });
  });
  it("sends long queries as a form", async () => {
    const calls = answer(200, '{"status":"success","data":{"resultType":"matrix","result":[]}}');
    await queryRange(client(), "x".repeat(3000), window, 15);
    expect(calls[0]?.init.method).toBe("POST");
  });
  it("fails on an error that comes with status 200", async () => {
    answer(200, '{"status":"error","errorType":"timeout","error":"slow"}');
    await expect(queryRange(client(), "x", window, 15)).rejects.toMatchObject({ code: "timeout" });
  });
});

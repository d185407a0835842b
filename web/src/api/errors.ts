import type { Problem } from "./types";

/** What went wrong with a request, in one shape for problem+json, Prometheus' dialect and a network that is down. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly details: { location?: string; message?: string }[];

  constructor(init: {
    status: number;
    code: string;
    message: string;
    hint?: string;
    requestId?: string;
    retryAfterMs?: number;
    details?: { location?: string; message?: string }[];
  }) {
    super(init.message);
    this.name = "ApiError";
    this.status = init.status;
    this.code = init.code;
    this.hint = init.hint;
    this.requestId = init.requestId;
    this.retryAfterMs = init.retryAfterMs;
    this.details = init.details ?? [];
  }

  /** True when the server did not answer or said that it cannot now: worth another try, and a reason to call data stale. */
  get transient(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

function retryAfter(headers: Headers): number | undefined {
  const seconds = Number(headers.get("Retry-After") ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

/** Builds the error of an answer that is not 2xx; body is the text that came, JSON or not. */
export function errorFromAnswer(status: number, headers: Headers, body: string): ApiError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    parsed = undefined;
  }
  if (isPrometheusError(parsed)) {
    return new ApiError({
      status,
      code: parsed.errorType ?? "prometheus",
      message: parsed.error ?? "The query failed.",
      retryAfterMs: retryAfter(headers),
      requestId: headers.get("X-Request-Id") ?? undefined,
    });
  }
  const problem: Problem = typeof parsed === "object" && parsed !== null ? parsed : {};
  return new ApiError({
    status,
    code: problem.code ?? `http_${status}`,
    message: problem.detail || problem.title || fallbackMessage(status),
    hint: problem.hint ?? fallbackHint(status),
    requestId: problem.instance ?? headers.get("X-Request-Id") ?? undefined,
    retryAfterMs: problem.retry_after_ms ?? retryAfter(headers),
    details: problem.errors?.map((e) => ({ location: e.location, message: e.message })),
  });
}

function isPrometheusError(value: unknown): value is { status: "error"; errorType?: string; error?: string } {
  return typeof value === "object" && value !== null && "status" in value && value.status === "error";
}

function fallbackMessage(status: number): string {
  if (status === 404) return "The server does not know this address.";
  if (status === 502 || status === 503) return "The server is not ready.";
  if (status === 504) return "The server took too long to answer.";
  return `The server answered with status ${status}.`;
}

function fallbackHint(status: number): string | undefined {
  if (status === 502 || status === 503) return "It may still be starting; this page tries again by itself.";
  if (status === 504) return "Choose a shorter time range or a narrower query.";
  return undefined;
}

export function networkError(cause: unknown): ApiError {
  return new ApiError({
    status: 0,
    code: "unreachable",
    message: "The Faultline server cannot be reached.",
    hint: cause instanceof Error && cause.message ? `The browser says: ${cause.message}.` : undefined,
  });
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError({
    status: -1,
    code: "console",
    message: error instanceof Error ? error.message : String(error),
    hint: "This is a fault of the console itself; reloading the page usually helps.",
  });
}

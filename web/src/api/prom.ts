import type { TimeWindow } from "@/lib/time";
import type { Client } from "./client";
import { ApiError } from "./errors";

export type Labels = Record<string, string>;

/** One series of a range query; values as Prometheus sends them: [unix seconds, text]. */
export interface MatrixSeries {
  metric: Labels;
  values?: [number, string][];
  histograms?: [number, unknown][];
}

export interface RangeResult {
  series: MatrixSeries[];
  warnings: string[];
  infos: string[];
  elapsedMs: number;
  samples: number;
  stepSeconds: number;
  window: TimeWindow;
}

interface Envelope {
  status: "success" | "error";
  data?: { resultType: string; result: unknown };
  warnings?: string[];
  infos?: string[];
  errorType?: string;
  error?: string;
}

/** Longest GET address that every proxy passes on; longer queries are sent as a form. */
const longestQuery = 1800;

/** Runs a range query over our Prometheus API; scalars and vectors come back as series with one value. */
export async function queryRange(
  client: Client,
  expr: string,
  window: TimeWindow,
  stepSeconds: number,
  signal?: AbortSignal,
): Promise<RangeResult> {
  // Aligned to the step, so that neighbouring refreshes ask for the same instants and the picture does not shimmer.
  const start = Math.floor(window.startMs / 1000 / stepSeconds) * stepSeconds;
  const end = Math.floor(window.endMs / 1000 / stepSeconds) * stepSeconds;
  const params = { query: expr, start: String(start), end: String(end), step: String(stepSeconds) };
  const began = performance.now();
  const answer = await send(client, "/api/v1/query_range", params, signal);
  const elapsedMs = performance.now() - began;
  const series = asMatrix(answer.data?.resultType, answer.data?.result);
  return {
    series,
    warnings: answer.warnings ?? [],
    infos: answer.infos ?? [],
    elapsedMs,
    samples: series.reduce((n, s) => n + (s.values?.length ?? s.histograms?.length ?? 0), 0),
    stepSeconds,
    window: { startMs: start * 1000, endMs: end * 1000 },
  };
}

async function send(
  client: Client,
  path: string,
  params: Record<string, string>,
  signal?: AbortSignal,
): Promise<Envelope> {
  const long = (params.query?.length ?? 0) > longestQuery;
  const answer = long
    ? await client.request<Envelope>("POST", path, { form: new URLSearchParams(params), signal })
    : await client.request<Envelope>("GET", path, { query: params, signal });
  if (answer.status !== "success") {
    throw new ApiError({
      status: 200,
      code: answer.errorType ?? "prometheus",
      message: answer.error ?? "query failed",
    });
  }
  return answer;
}

function asMatrix(type: string | undefined, result: unknown): MatrixSeries[] {
  if (!Array.isArray(result)) return [];
  if (type === "matrix") return result as MatrixSeries[];
  if (type === "vector") {
    const vector = result as { metric: Labels; value: [number, string] }[];
    return vector.map((v) => ({ metric: v.metric, values: [v.value] }));
  }
  if (type === "scalar") return [{ metric: {}, values: [result as unknown as [number, string]] }];
  return [];
}

/** Parses a sample as Prometheus writes it, including NaN and the infinities. */
export function parseSample(text: string): number {
  if (text === "+Inf" || text === "Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  return Number(text);
}

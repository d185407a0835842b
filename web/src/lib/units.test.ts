import { describe, expect, it } from "vitest";
import { formatDurationMs, formatInteger, formatValue, guessUnit } from "./units";

describe("formatValue", () => {
  it("scales bytes by 1024 and says so", () => {
    expect(formatValue(0, "bytes")).toBe("0 B");
    expect(formatValue(1023, "bytes")).toBe("1023 B");
    expect(formatValue(1024, "bytes")).toBe("1 KiB");
    expect(formatValue(1024 ** 3 * 1.5, "bytes")).toBe("1.5 GiB");
    expect(formatValue(2048, "bytes/s")).toBe("2 KiB/s");
    expect(formatValue(1024 * 1024 - 1, "bytes")).toBe("1 MiB");
  });
  it("prints ratios as percent", () => {
    expect(formatValue(0.4237, "ratio")).toBe("42.4 %");
    expect(formatValue(1, "ratio")).toBe("100 %");
    expect(formatValue(0.0004, "ratio")).toBe("0.04 %");
  });
  it("never prints a number for a missing one", () => {
    expect(formatValue(null, "bytes")).toBe("–");
    expect(formatValue(undefined, "ratio")).toBe("–");
    expect(formatValue(Number.NaN, "ms")).toBe("–");
    expect(formatValue(Number.POSITIVE_INFINITY, "none")).toBe("+∞");
  });
  it("scales counts by 1000", () => {
    expect(formatValue(1_234_000, "count")).toBe("1.23M");
    expect(formatValue(999.6, "count/s")).toBe("1k/s");
    expect(formatValue(12, "count/s")).toBe("12/s");
  });
});

describe("durations", () => {
  it("choose the unit people use", () => {
    expect(formatDurationMs(0.00025)).toBe("250 ns");
    expect(formatDurationMs(0.25)).toBe("250 µs");
    expect(formatDurationMs(842)).toBe("842 ms");
    expect(formatDurationMs(1_840)).toBe("1.84 s");
    expect(formatDurationMs(92_000)).toBe("1 min 32 s");
    expect(formatDurationMs(90_000_000)).toBe("1 d 1 h");
    expect(formatDurationMs(7_200_000)).toBe("2 h");
  });
});

describe("formatInteger", () => {
  it("keeps every digit", () => {
    expect(formatInteger(812_441_902).replace(/\s/g, " ")).toBe("812 441 902");
    expect(formatInteger(0)).toBe("0");
    expect(formatInteger(undefined)).toBe("–");
  });
});

describe("guessUnit", () => {
  it("follows the names that OpenTelemetry and Prometheus give", () => {
    expect(guessUnit("system_memory_usage_bytes")).toBe("bytes");
    expect(guessUnit("sum by (host) (rate(system_network_io_bytes_total[5m]))")).toBe("bytes/s");
    expect(guessUnit("system_cpu_utilization_ratio{x='y'}")).toBe("ratio");
    expect(guessUnit("rate(http_requests_total[1m])")).toBe("count/s");
    expect(guessUnit("histogram_quantile(0.9, rate(x_duration_seconds_bucket[5m]))")).toBe("seconds");
    expect(guessUnit("up")).toBe("none");
  });
});

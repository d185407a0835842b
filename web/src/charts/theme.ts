import { useComputedColorScheme } from "@mantine/core";
import { useMemo } from "react";
import { seriesColors } from "@/lib/color";
import type { ChartTheme } from "./options";

export interface ResolvedTheme extends ChartTheme {
  series: string[];
  token: (name: string) => string;
}

/** Resolves the colour tokens for canvases; changes when the colour scheme does. */
export function useChartTheme(): ResolvedTheme {
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the tokens are read from the page and change with the scheme
  return useMemo(() => {
    const style = getComputedStyle(document.documentElement);
    const token = (name: string) => style.getPropertyValue(name).trim();
    return {
      grid: token("--chart-grid"),
      axis: token("--chart-axis"),
      cursor: token("--chart-cursor"),
      font: token("--font-sans") || "sans-serif",
      fill: Number(token("--chart-fill")) || 0.15,
      series: Array.from({ length: seriesColors }, (_, i) => token(`--series-${i}`)),
      token,
    };
  }, [scheme]);
}

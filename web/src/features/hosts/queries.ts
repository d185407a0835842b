import type { ChartKind } from "@/charts/options";
import type { Unit } from "@/lib/units";

/** One PromQL expression of a chart and the template of its series' names. */
export interface ChartQuery {
  expr: string;
  legend: string;
}

export interface ChartSpec {
  id: string;
  title: string;
  unit: Unit;
  kind: ChartKind;
  /** Upper end of the axis that is always in sight. */
  max?: number;
  queries: ChartQuery[];
  /** Names of series in the order in which they are stacked and listed; others come after. */
  order?: readonly string[];
  /** What a chart without data means on this host. */
  absent: string;
}

/** PromQL string literal. */
export function quote(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

/**
 * All metric names of the host page, and nowhere else.
 *
 * They are the agent's OpenTelemetry names under Prometheus' translation: dots to underscores, unit and type as suffix,
 * attributes as labels; host_id is promoted from the resource. rate is a PromQL duration such as "60s".
 */
export function hostCharts(hostId: string, rate: string): ChartSpec[] {
  const host = `host_id=${quote(hostId)}`;
  return [
    {
      id: "cpu",
      title: "CPU by mode",
      unit: "ratio",
      kind: "stack",
      max: 1,
      queries: [
        {
          expr: `avg by (cpu_mode) (rate(system_cpu_time_seconds_total{${host}, cpu_mode!="idle"}[${rate}]))`,
          legend: "{{cpu_mode}}",
        },
      ],
      order: ["user", "system", "iowait", "nice", "softirq", "irq", "interrupt", "steal"],
      absent: "The agent has not sent CPU times in this range.",
    },
    {
      id: "load",
      title: "Load average",
      unit: "none",
      kind: "line",
      queries: [
        { expr: `system_cpu_load_average_1m{${host}}`, legend: "1 min" },
        { expr: `system_cpu_load_average_5m{${host}}`, legend: "5 min" },
        { expr: `system_cpu_load_average_15m{${host}}`, legend: "15 min" },
      ],
      absent: "No load average in this range.",
    },
    {
      id: "memory",
      title: "Memory by state",
      unit: "bytes",
      kind: "stack",
      queries: [
        {
          expr: `sum by (system_memory_state) (system_memory_usage_bytes{${host}})`,
          legend: "{{system_memory_state}}",
        },
      ],
      order: ["used", "slab_unreclaimable", "buffers", "cached", "slab_reclaimable", "free"],
      absent: "No memory figures in this range.",
    },
    {
      id: "network",
      title: "Network",
      unit: "bytes/s",
      kind: "line",
      queries: [
        {
          expr: `sum by (network_interface_name, network_io_direction) (rate(system_network_io_bytes_total{${host}, network_interface_name!="lo"}[${rate}]))`,
          legend: "{{network_interface_name}} {{network_io_direction}}",
        },
      ],
      absent: "No traffic on interfaces other than loopback.",
    },
    {
      id: "disk-io",
      title: "Disk reads and writes",
      unit: "bytes/s",
      kind: "line",
      queries: [
        {
          expr: `sum by (system_device, disk_io_direction) (rate(system_disk_io_bytes_total{${host}}[${rate}]))`,
          legend: "{{system_device}} {{disk_io_direction}}",
        },
      ],
      absent: "The host shows no block devices (as in most containers).",
    },
    {
      id: "filesystem",
      title: "File systems, share used",
      unit: "ratio",
      kind: "line",
      max: 1,
      queries: [
        {
          expr:
            `sum by (system_filesystem_mountpoint) (system_filesystem_usage_bytes{${host}, system_filesystem_state="used"})` +
            ` / sum by (system_filesystem_mountpoint) (system_filesystem_usage_bytes{${host}})`,
          legend: "{{system_filesystem_mountpoint}}",
        },
      ],
      absent: "No file systems in this range.",
    },
    {
      id: "pressure",
      title: "Pressure (share of time stalled)",
      unit: "ratio",
      kind: "line",
      queries: [
        {
          expr: `sum by (system_linux_pressure_resource, system_linux_pressure_type) (rate(system_linux_pressure_time_seconds_total{${host}}[${rate}]))`,
          legend: "{{system_linux_pressure_resource}} {{system_linux_pressure_type}}",
        },
      ],
      absent: "The kernel gives no pressure stall information (/proc/pressure), or no task was measured.",
    },
    {
      id: "network-errors",
      title: "Network errors and drops",
      unit: "count/s",
      kind: "line",
      queries: [
        {
          expr: `sum by (network_interface_name, network_io_direction) (rate(system_network_errors_total{${host}}[${rate}]))`,
          legend: "{{network_interface_name}} {{network_io_direction}} errors",
        },
        {
          expr: `sum by (network_interface_name, network_io_direction) (rate(system_network_packet_dropped_total{${host}}[${rate}]))`,
          legend: "{{network_interface_name}} {{network_io_direction}} drops",
        },
      ],
      absent: "No error counters in this range.",
    },
  ];
}

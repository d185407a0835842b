/** Line icons on a 16 grid, drawn for this console; colour is the text's. */
const paths = {
  incidents:
    "M8 2a4.2 4.2 0 00-4.2 4.2c0 3.6-1.3 4.8-1.3 4.8h11s-1.3-1.2-1.3-4.8A4.2 4.2 0 008 2zM6.7 13.5a1.5 1.5 0 002.6 0",
  hosts: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
  services: "M8 1.8l5.4 3.1v6.2L8 14.2l-5.4-3.1V4.9zM8 8l5.2-3M8 8v6M8 8L2.8 5",
  metrics: "M2 13.5h12M2.5 10.5l3-4 3 2.5 5-6",
  logs: "M2.5 3.5h11M2.5 6.5h7M2.5 9.5h11M2.5 12.5h5",
  patterns: "M2.5 4h4M9.5 4h4M2.5 8h4M9.5 8h4M2.5 12h4M9.5 12h4M8 2.5v11",
  traces: "M2 3.5h7M5 7h8M7 10.5h4M9 14h4.5",
  ingest: "M8 1.5v7M5 6l3 3 3-3M2.5 9.5v4h11v-4",
  start: "M3 2.5v11M3 3h9l-2 3 2 3H3",
  search: "M7 12A5 5 0 107 2a5 5 0 000 10zM10.8 10.8L14 14",
  clock: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 4.8V8l2.2 1.6",
  refresh: "M13.5 8a5.5 5.5 0 11-1.6-3.9M13.5 2v3h-3",
  chevronDown: "M4 6l4 4 4-4",
  chevronRight: "M6 4l4 4-4 4",
  chevronLeft: "M10 4L6 8l4 4",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.2 3L13 4.5",
  warn: "M8 2L14.5 13.5h-13zM8 6.5v3M8 11.4v.1",
  error: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 5v3.6M8 10.9v.1",
  info: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 7.4V11M8 5.1v.1",
  sun: "M8 11a3 3 0 100-6 3 3 0 000 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.5A5.5 5.5 0 016.5 3a5.5 5.5 0 106.5 6.5z",
  auto: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 2v12M8 5h4.5M8 8h6M8 11h4.5",
  signOut: "M6.5 2.5h-4v11h4M10 5l3 3-3 3M6 8h7",
  menu: "M2 4h12M2 8h12M2 12h12",
  copy: "M5.5 5.5h8v8h-8zM3 10.5H2.5v-8h8V3",
  table: "M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 3v10",
  chart: "M2 2v12h12M5 11V8M8.5 11V5M12 11V7",
  play: "M4.5 3l8 5-8 5z",
  pause: "M5 3v10M11 3v10",
  plus: "M8 3v10M3 8h10",
  trash: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.5 9h6l.5-9",
  link: "M6.5 9.5l3-3M7 4.5l1.5-1.5a3 3 0 014.2 4.2L11.5 8.7M9 11.5L7.5 13a3 3 0 01-4.2-4.2l1.3-1.4",
  user: "M8 8a2.8 2.8 0 100-5.6A2.8 2.8 0 008 8zM2.8 13.8a5.3 5.3 0 0110.4 0",
  undo: "M5.5 3L2.5 6l3 3M2.5 6h7a3.8 3.8 0 010 7.5H6",
  comment: "M2.5 3h11v8h-6l-3 2.5V11h-2z",
  keyboard: "M1.5 4h13v8h-13zM4 6.5h.01M6.5 6.5h.01M9 6.5h.01M11.5 6.5h.01M5 9.5h6",
  sidebar: "M2 3h12v10H2zM6 3v10",
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
  disk: "M2.5 9.5l2-6h7l2 6v3.5h-11zM2.5 9.5h11M11 11.3h.01",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 10a2 2 0 100-4 2 2 0 000 4z",
  eyeOff:
    "M2 2l12 12M6.5 3.7A6 6 0 018 3.5c4 0 6.5 4.5 6.5 4.5a11 11 0 01-1.9 2.4M4 5.1A10.5 10.5 0 001.5 8S4 12.5 8 12.5a6 6 0 002.6-.6",
  zoomOut: "M7 12A5 5 0 107 2a5 5 0 000 10zM10.8 10.8L14 14M5 7h4",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16, label }: { name: IconName; size?: number; label?: string }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.4}
      strokeLinecap="round"
      strokeLinejoin="round"
      role={label ? "img" : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
      focusable="false"
      style={{ flex: "none" }}
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** The mark: two strata, displaced along a fault. */
export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true" focusable="false">
      <g strokeWidth="3" strokeLinecap="round" strokeLinejoin="round">
        <path d="M3 12h9.5l3.8 8.5" stroke="currentColor" />
        <path d="M29 20h-6L16 4.5" stroke="var(--accent)" />
        <path d="M3 19.5h6M29 12.5h-4" stroke="currentColor" opacity=".35" strokeWidth="2" />
      </g>
    </svg>
  );
}

export function Wordmark({ size = 22 }: { size?: number }) {
  return (
    <span style={{ display: "inline-flex", alignItems: "center", gap: 8, color: "var(--text)" }}>
      <Mark size={size} />
      <span style={{ fontWeight: 600, fontSize: size * 0.72, letterSpacing: "-0.015em" }}>Faultline</span>
    </span>
  );
}

import {
  Button,
  type CSSVariablesResolver,
  createTheme,
  localStorageColorSchemeManager,
  type MantineColorsTuple,
} from "@mantine/core";

// Mantine wants ten shades; components are coloured by our semantic tokens below, these only fill the slots.
const blue: MantineColorsTuple = [
  "#eef4ff",
  "#dbe7fd",
  "#b6cdfa",
  "#8fb2f7",
  "#6c99f3",
  "#4a82ea",
  "#2f6fde",
  "#1f57c3",
  "#17459e",
  "#10337a",
];

// Mantine's dark surfaces are neutral grey; these are ours, from the text (0) to the page (9).
const night: MantineColorsTuple = [
  "#e6e9ee",
  "#b9c0cb",
  "#929cab",
  "#6b7687",
  "#3a4454",
  "#262d39",
  "#1b212b",
  "#141820",
  "#10141b",
  "#0e1116",
];

export const theme = createTheme({
  primaryColor: "faultline",
  colors: { faultline: blue, dark: night },
  primaryShade: { light: 7, dark: 4 },
  fontFamily: "var(--font-sans)",
  fontFamilyMonospace: "var(--font-mono)",
  fontSizes: { xs: "11px", sm: "13px", md: "13px", lg: "15px", xl: "19px" },
  defaultRadius: "sm",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Tooltip: {
      defaultProps: { openDelay: 250, withArrow: false, fz: "xs", events: { hover: true, focus: true, touch: true } },
    },
    Button: Button.extend({
      defaultProps: { size: "xs" },
      vars: (_theme, props) =>
        props.variant === undefined || props.variant === "filled"
          ? { root: { "--button-color": "var(--on-accent)" } }
          : { root: {} },
    }),
    TextInput: { defaultProps: { size: "xs" } },
    Select: { defaultProps: { size: "xs" } },
    MultiSelect: { defaultProps: { size: "xs" } },
    SegmentedControl: { defaultProps: { size: "xs" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
  },
});

const shared = {
  "--mantine-color-body": "var(--surface-page)",
  "--mantine-color-text": "var(--text)",
  "--mantine-color-dimmed": "var(--text-faint)",
  "--mantine-color-default": "var(--surface-panel)",
  "--mantine-color-default-hover": "var(--surface-hover)",
  "--mantine-color-default-color": "var(--text)",
  "--mantine-color-default-border": "var(--border-strong)",
  "--mantine-color-anchor": "var(--accent)",
  "--mantine-color-placeholder": "var(--text-faint)",
  "--mantine-color-error": "var(--state-bad)",
  "--mantine-primary-color-filled": "var(--accent)",
  "--mantine-primary-color-filled-hover": "var(--accent-strong)",
  "--mantine-color-faultline-filled": "var(--accent)",
  "--mantine-color-faultline-filled-hover": "var(--accent-strong)",
  "--mantine-primary-color-contrast": "var(--on-accent)",
  "--mantine-color-gray-light-color": "var(--text-soft)",
  "--mantine-color-gray-light-hover": "var(--surface-hover)",
};

export const cssVariables: CSSVariablesResolver = () => ({ variables: {}, light: shared, dark: shared });

/** Key shared with public/boot.js, which sets the scheme before the first paint. */
export const colorSchemeManager = localStorageColorSchemeManager({ key: "faultline-color-scheme" });

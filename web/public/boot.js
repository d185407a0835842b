// Sets the colour scheme before the first paint; a separate file because the content security policy forbids inline scripts.
(() => {
  let chosen = "auto";
  try {
    chosen = localStorage.getItem("faultline-color-scheme") || "auto";
  } catch {
    // Storage can be closed to us (private windows): the system's scheme is used then.
  }
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();

import { MantineProvider } from "@mantine/core";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "@mantine/spotlight/styles.css";
import "./app/tokens.css";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./api/runtime";
import { KeyProvider } from "./app/keys";
import { router } from "./app/router";
import { colorSchemeManager, cssVariables, theme } from "./app/theme";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      colorSchemeManager={colorSchemeManager}
      defaultColorScheme="auto"
    >
      <QueryClientProvider client={queryClient}>
        <KeyProvider>
          <Notifications position="bottom-right" limit={3} />
          <RouterProvider router={router} />
        </KeyProvider>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);

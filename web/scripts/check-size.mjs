// Holds the weight budgets of the console: JavaScript of the first load and of each lazy route, gzip -9.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const firstLoadBudget = 230 * 1024;
const routeBudget = 150 * 1024;

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const manifest = JSON.parse(readFileSync(join(dist, "manifest.json"), "utf8"));
const weights = new Map();

function weigh(file) {
  if (!weights.has(file)) weights.set(file, gzipSync(readFileSync(join(dist, file)), { level: 9 }).length);
  return weights.get(file);
}

function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const next of manifest[key].imports ?? []) closure(next, seen);
  return seen;
}

const kb = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
const sum = (keys) => [...keys].reduce((total, key) => total + weigh(manifest[key].file), 0);
const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
const first = closure(entry);
let failed = false;

function report(name, bytes, budget) {
  const over = bytes > budget;
  failed ||= over;
  console.log(`${over ? "OVER" : "ok  "} ${name.padEnd(52)} ${kb(bytes).padStart(10)} of ${kb(budget)}`);
}

report("first load", sum(first), firstLoadBudget);
for (const key of Object.keys(manifest).sort()) {
  if (!manifest[key].isDynamicEntry) continue;
  // What a page loads later, after its own first paint, is weighed apart from what the page has already loaded.
  const importers = Object.keys(manifest).filter((k) => manifest[k].dynamicImports?.includes(key));
  const loaded = new Set(first);
  if (importers.length === 1) for (const k of closure(importers[0])) loaded.add(k);
  report(key, sum([...closure(key)].filter((k) => !loaded.has(k))), routeBudget);
}
process.exit(failed ? 1 : 0);

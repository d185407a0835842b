// Finishes web/dist after vite: restores .gitkeep (the Go embed needs a file in a fresh clone) and writes .gz siblings, which the server sends.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const compressible = /\.(js|css|html|svg|json|txt)$/;
// Below this size the HTTP header costs more than compression saves.
const minBytes = 1024;

function* files(dir) {
  for (const name of readdirSync(dir).sort()) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

writeFileSync(join(dist, ".gitkeep"), "");
let count = 0;
for (const path of [...files(dist)]) {
  if (!compressible.test(path)) continue;
  const raw = readFileSync(path);
  if (raw.length < minBytes) continue;
  writeFileSync(`${path}.gz`, gzipSync(raw, { level: 9 }));
  count++;
}
console.log(`dist: ${count} files pre-compressed (.gz)`);

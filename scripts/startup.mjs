// What the Worker takes to start: CPU time, in milliseconds, of compiling service/build/index_bg.wasm
// and running the global scope of service/build/index.js in V8, which is Node's engine as well as
// workerd's. Each start is a process of its own: nothing is cached. Prints the median.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

const STARTS = 21;
const build = new URL("../service/build/", import.meta.url);

/** What the global scope finds at Cloudflare and not in Node. */
function provide() {
  const found = {
    "cloudflare:workers": "export class WorkerEntrypoint {} export class DurableObject {}",
    "./index_bg.wasm": "export default globalThis.compiled;",
  };
  registerHooks({
    resolve: (name, context, next) =>
      name in found
        ? { url: "data:text/javascript," + encodeURIComponent(found[name]), shortCircuit: true }
        : next(name, context),
  });
  globalThis.addEventListener ??= () => {};
}

async function start() {
  provide();
  const bytes = readFileSync(new URL("index_bg.wasm", build));
  const before = process.cpuUsage();
  globalThis.compiled = new WebAssembly.Module(bytes);
  const worker = await import(new URL("index.js", build));
  const { user, system } = process.cpuUsage(before);
  if (typeof worker.default !== "function") throw new Error("index.js exports no Worker");
  console.log((user + system) / 1000);
}

if (process.argv[2] === "once") {
  await start();
} else {
  const self = fileURLToPath(import.meta.url);
  const once = () => Number(execFileSync(process.execPath, [self, "once"], { encoding: "utf8" }));
  const times = Array.from({ length: STARTS }, once).sort((a, b) => a - b);
  console.log(Math.round(times[(STARTS - 1) / 2]));
}

// One Worker on workerd, without wrangler's proxy in front of it: `node serve.mjs ours|hono`.
// Both get the bindings of service/wrangler.toml, its migrations, and a budget that no load reaches.
// Prints the URL; ends with standard input.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const service = fileURLToPath(new URL("../../service/", import.meta.url));
const require = createRequire(service);
const { Miniflare, convertV4MiniflareOptions } = require("miniflare");
const {
  unstable_getMiniflareWorkerOptions: optionsOf,
  unstable_splitSqlQuery: statementsOf,
} = require("wrangler");

const BUDGET = 1_000_000_000;
const bundles = {
  ours: [
    { type: "ESModule", path: service + "build/index.js" },
    { type: "CompiledWasm", path: service + "build/index_bg.wasm" },
  ],
  hono: [{ type: "ESModule", path: process.env.HONO_BUNDLE }],
};

const modules = bundles[process.argv[2]];
if (!modules) throw new Error("which one: ours or hono?");
const { workerOptions } = optionsOf(service + "wrangler.toml");
if (process.argv[2] === "hono") delete workerOptions.durableObjects;
for (const limiter of Object.values(workerOptions.ratelimits)) limiter.simple.limit = BUDGET;

const worker = {
  ...workerOptions,
  modules,
  modulesRoot: "/",
  bindings: {
    JWT_SECRET: process.env.WORKWAY_JWT_SECRET,
    HTTP_ALLOWED_ORIGINS: "",
    CORS_ALLOWED_ORIGINS: "https://good.example",
  },
};
const options = { host: "127.0.0.1", port: 0, cf: false, workers: [worker] };
const miniflare = new Miniflare(convertV4MiniflareOptions(options));
const url = await miniflare.ready;
const database = await miniflare.getD1Database("DB");
for (const file of readdirSync(service + "migrations").sort()) {
  for (const statement of statementsOf(readFileSync(service + "migrations/" + file, "utf8"))) {
    await database.prepare(statement).run();
  }
}
console.log(url.href);
process.stdin.resume().on("end", () => miniflare.dispose());

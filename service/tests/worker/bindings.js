// Stand-ins for the bindings of wrangler.toml, hand-made and in this process.
//
// What they are: D1 on an SQLite in memory (node:sqlite) with our migrations, KV and R2 as maps, the
// rate limiter as a counter by fixed window. The `worker` crate asks some bindings for the name of their
// class, so the names matter.
//
// Where they differ from the real ones:
// - D1's `rows_read` and `rows_written` are rows returned and rows changed here, not what D1 bills,
//   which counts rows scanned and index entries: no test may assert on them.
// - D1 has no network and no latency here; its error texts lack "at offset N".
// - KV is consistent here, and has neither metadata nor expiry.
// - R2 is a map; a listing is never cut off.
// - The limiter counts for the whole world here, and exactly.

import { readFileSync, readdirSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { currentTime } from "./outside.js";
import { DurableObjectNamespace } from "./objects.js";

/** cargo starts the tests in the package's directory. */
const MIGRATIONS = "migrations";
const RATE_LIMIT = { limit: 100, period: 60 };

const CONSTRAINTS = { 275: "CHECK", 787: "FOREIGNKEY", 1299: "NOTNULL", 1555: "PRIMARYKEY", 2067: "UNIQUE" };

/** An error as D1 throws it: the crate reads the cause. */
const d1Error = (message) => new Error(`D1_ERROR: ${message}`, { cause: new Error(message) });

class D1PreparedStatement {
  #database;
  #sql;
  #params = [];

  constructor(database, sql) {
    this.#database = database;
    this.#sql = sql;
  }

  bind(...values) {
    const odd = values.find((value) => value !== null && !["number", "string"].includes(typeof value));
    if (odd !== undefined) throw new Error(`D1_TYPE_ERROR: Type '${typeof odd}' not supported for value '${odd}'`);
    const bound = new D1PreparedStatement(this.#database, this.#sql);
    bound.#params = values;
    return bound;
  }

  async run() {
    const { connection, mode } = this.#database;
    if (mode === "broken") throw d1Error("Network connection lost.");
    if (mode === "silent") await new Promise(() => {});
    try {
      const statement = connection.prepare(this.#sql);
      statement.setReadBigInts(true);
      const before = connection.prepare("SELECT total_changes() AS n").get().n;
      const rows = statement.all(...this.#params.map(toSqlite));
      const changes = connection.prepare("SELECT total_changes() AS n").get().n - before;
      const results = rows.map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, fromSqlite(v)])));
      const meta = { changes, changed_db: changes > 0, duration: 0, last_row_id: 0, size_after: 0 };
      return { success: true, results, meta: { ...meta, rows_read: rows.length, rows_written: changes } };
    } catch (error) {
      if (error.errcode === undefined) throw error;
      const constraint = CONSTRAINTS[error.errcode];
      const extended = constraint ? `SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_${constraint})` : "SQLITE_ERROR";
      throw d1Error(`${error.message}: ${extended}`);
    }
  }
}

/** D1 stores a JavaScript number that is whole as an INTEGER; node:sqlite wants a BigInt for that. */
const toSqlite = (value) => (Number.isInteger(value) ? BigInt(value) : value);
const fromSqlite = (value) => (typeof value === "bigint" ? Number(value) : value);

class D1Database {
  connection = new DatabaseSync(":memory:");
  /** `well`, `broken` (each statement fails) or `silent` (none ever answers). */
  mode = "well";

  constructor() {
    for (const file of readdirSync(MIGRATIONS).sort()) {
      this.connection.exec(readFileSync(`${MIGRATIONS}/${file}`, "utf8"));
    }
  }

  prepare(sql) {
    return new D1PreparedStatement(this, sql);
  }
}

class KvNamespace {
  entries = new Map();
  mode = "well";

  async get(key) {
    if (this.mode === "broken") throw new Error("KV GET failed: 503 Service Unavailable");
    return this.entries.get(key) ?? null;
  }
  async getWithMetadata(key) {
    return { value: await this.get(key), metadata: null };
  }
  async put(key, value, options) {
    if (this.mode === "broken") throw new Error("KV PUT failed: 503 Service Unavailable");
    if (!(options?.expirationTtl >= 60)) throw new Error(`KV PUT failed: 400 Invalid expiration_ttl of ${options?.expirationTtl}`);
    this.entries.set(key, value);
  }
  async list() {
    return { keys: [...this.entries.keys()].map((name) => ({ name })), list_complete: true };
  }
  async delete(key) {
    if (this.mode === "broken") throw new Error("KV DELETE failed: 503 Service Unavailable");
    this.entries.delete(key);
  }
}

class R2Bucket {
  objects = new Map();
  mode = "well";

  #check() {
    if (this.mode === "broken") throw new Error("R2: internal error (10001)");
  }
  async get(key) {
    this.#check();
    const body = this.objects.get(key);
    return body ? { key, size: body.length, bodyUsed: false, arrayBuffer: async () => body.slice().buffer } : null;
  }
  async put(key, value) {
    this.#check();
    this.objects.set(key, new Uint8Array(value));
    return { key, size: value.length };
  }
  async list({ prefix = "", delimiter } = {}) {
    this.#check();
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const below = (key) => delimiter && key.slice(prefix.length).includes(delimiter);
    const folder = (key) => prefix + key.slice(prefix.length).split(delimiter)[0] + delimiter;
    const objects = keys.filter((key) => !below(key)).map((key) => ({ key }));
    const delimitedPrefixes = [...new Set(keys.filter(below).map(folder))];
    return { objects, delimitedPrefixes, truncated: false };
  }
  async delete(keys) {
    this.#check();
    for (const key of [keys].flat()) this.objects.delete(key);
  }
}

/** Workers AI. Its input must be a plain object: the real one drops maps. */
class Ai {
  mode = "well";
  calls = [];

  async run(model, input) {
    if (input instanceof Map || input?.messages?.some((message) => message instanceof Map)) throw new Error("a map");
    this.calls.push({ model, input });
    if (this.mode === "broken") throw new Error("3040: Capacity temporarily exceeded");
    if (this.mode === "silent") await new Promise(() => {});
    if (this.mode === "nonsense") return { response: 7 };
    if (model.includes("/baai/")) return { shape: [1, 768], data: [Array(768).fill(0.5)] };
    return { response: "Short.", usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 } };
  }
}

/** Vectorize, which finds everything that it was given. */
class VectorizeIndex {
  mode = "well";
  calls = [];

  async #call(name, ...args) {
    this.calls.push({ name, args: args.map((arg) => (arg instanceof Float32Array ? [...arg] : arg)) });
    if (this.mode === "broken") throw new Error("VECTOR_QUERY_ERROR (code = 40026)");
    if (this.mode === "silent") await new Promise(() => {});
  }
  async upsert(vectors) {
    const plain = vectors.map(({ id, values, metadata }) => ({ id, dimensions: values.length, metadata }));
    await this.#call("upsert", plain);
    return { mutationId: "0000aaaa-11bb-22cc-33dd-444444eeeeee" };
  }
  async deleteByIds(ids) {
    await this.#call("deleteByIds", ids);
    return { mutationId: "0000aaaa-11bb-22cc-33dd-444444eeeeee" };
  }
  async query(values, options) {
    if (!(values instanceof Float32Array) || options instanceof Map) throw new TypeError("not what is documented");
    await this.#call("query", values.length, options);
    const written = this.calls.filter(({ name }) => name === "upsert").flatMap(({ args: [vectors] }) => vectors);
    const matches = written.map(({ id }) => ({ id, score: 0.5 }));
    return { count: matches.length, matches };
  }
}

class Ratelimit {
  keys = [];
  #counts = new Map();

  async limit({ key }) {
    this.keys.push(key);
    const slot = `${Math.floor(currentTime() / 1000 / RATE_LIMIT.period)} ${key}`;
    const count = this.#counts.get(slot) ?? 0;
    if (count >= RATE_LIMIT.limit) return { success: false };
    this.#counts.set(slot, count + 1);
    return { success: true };
  }
}

/** Keeps what is written. The real one takes points that have one index and at most 20 of each, and drops others. */
class AnalyticsEngineDataset {
  points = [];

  writeDataPoint(point) {
    const { indexes, blobs, doubles } = point;
    if (indexes.length !== 1 || blobs.length > 20 || doubles.length > 20) return;
    if (new TextEncoder().encode(indexes[0]).length > 96) return;
    this.points.push({ indexes, blobs, doubles });
  }
}

/** A fresh environment. `vars` are the variables and secrets, as JSON. */
export function makeEnv(vars) {
  const env = { ...JSON.parse(vars), DB: new D1Database(), RATE_LIMITER: new Ratelimit() };
  env.CACHE = new KvNamespace();
  env.SESSIONS = new KvNamespace();
  env.BACKUPS = new R2Bucket();
  env.WORKFLOW_EXECUTOR = new DurableObjectNamespace("WorkflowExecutor", env);
  env.OAUTH = new DurableObjectNamespace("OAuth", env);
  env.AI_MISSES = new DurableObjectNamespace("AiMisses", env);
  env.ANALYTICS = new AnalyticsEngineDataset();
  return env;
}

/** Binds Workers AI and Vectorize, as in staging and production. */
export const bindModels = (env) => void Object.assign(env, { AI: new Ai(), VECTORDB: new VectorizeIndex() });
/** What a binding was called with. */
export const callsOf = (env, binding) => JSON.stringify(env[binding].calls);
/** Sets how a binding behaves. */
export const setMode = (env, binding, mode) => void (env[binding].mode = mode);
/** What SESSIONS holds, and puts it back: a replica that is behind. */
export const sessionRecords = (env) => JSON.stringify([...env.SESSIONS.entries]);
export const putSessionRecords = (env, json) => void (env.SESSIONS.entries = new Map(JSON.parse(json)));
export const putInCache = (env, key, value) => void env.CACHE.entries.set(key, value);
/** Every object of the bucket as text, by key. */
export const bucket = (env) =>
  JSON.stringify(Object.fromEntries([...env.BACKUPS.objects].map(([key, body]) => [key, new TextDecoder().decode(body)])));
export const dataPoints = (env) => JSON.stringify(env.ANALYTICS.points);
export const limiterKeys = (env) => JSON.stringify(env.RATE_LIMITER.keys);
/** Puts KV where the limiter belongs. */
export const misbindLimiter = (env) => void (env.RATE_LIMITER = env.CACHE);
/** Rows of a statement, behind the Worker's back. */
export const rows = (env, sql) => JSON.stringify(env.DB.connection.prepare(sql).all());
/** Sets a variable, or takes it away. */
export function setVar(env, name, value) {
  if (value === undefined) delete env[name];
  else env[name] = value;
}

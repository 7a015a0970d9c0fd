// Durable Objects and the Worker's events: what the runtime calls, called from here.
//
// What it is: the exports of the wasm module (`fetch`, `scheduled`, the classes of our
// objects), and a namespace that makes real objects of a class on a state with an SQLite of its own and one
// alarm. Alarms do not ring by themselves: a test rings them.
//
// Where it differs from the real ones: an object lives as long as its namespace unless a test
// evicts it; requests are not serialised by gates (one at a time arrives anyway); a failed alarm is
// put back to its time once, without backoff. As there, what an object writes without an await in
// between is one commit, and a commit is all or nothing.

import { createRequire } from "node:module";
import { DatabaseSync } from "node:sqlite";
import { currentTime } from "./outside.js";

/** The module that wasm-bindgen made of the tests and the Worker: CommonJS, loaded before any test runs. */
const worker = () => {
  const { cache } = createRequire(import.meta.url);
  const path = Object.keys(cache).find((path) => /[/\\]wasm-bindgen-test\.js$/.test(path));
  return cache[path].exports;
};

const context = { waitUntil() {}, passThroughOnException() {} };

/** A request to the Worker, through its `fetch` event. Takes and gives JSON. */
export async function dispatch(env, json) {
  const { method, path, headers, body } = JSON.parse(json);
  const request = new Request(`https://api.test${path}`, { method, headers, body: body ?? undefined });
  const response = await worker().fetch(request, env, context);
  const text = await response.text();
  const cookies = response.headers.getSetCookie();
  return JSON.stringify({ status: response.status, headers: Object.fromEntries(response.headers), cookies, text });
}

/** The cron trigger. */
export const cron = (env) => worker().scheduled({ cron: "* * * * *", scheduledTime: currentTime() }, env, context);

class SqlStorageCursor {
  #rows;
  constructor(rows) {
    this.#rows = rows;
  }
  get rowsRead() {
    return this.#rows.length;
  }
  get rowsWritten() {
    return 0;
  }
  toArray() {
    return this.#rows;
  }
}

/** Storage whose writes become durable together when the object next awaits. */
class DurableObjectStorage {
  alarm = null;
  /** Each commit is a list of what it holds. */
  commits = [];
  /** Fails statements, as storage does that is gone. */
  broken = false;
  #database = new DatabaseSync(":memory:");
  #open = null;

  sql = {
    exec: (sql, ...params) => {
      if (this.broken) throw new Error("storage operation failed");
      if (/^\s*(INSERT|DELETE)/i.test(sql)) this.#write("state");
      return new SqlStorageCursor(this.#database.prepare(sql).all(...params).map((row) => ({ ...row })));
    },
  };

  holdsState() {
    try {
      return this.#database.prepare("SELECT state FROM object").all().length > 0;
    } catch {
      return false;
    }
  }
  async getAlarm() {
    return this.alarm;
  }
  async setAlarm(at) {
    this.#write("alarm");
    this.alarm = +at;
  }
  async deleteAlarm() {
    this.#write("alarm");
    this.alarm = null;
  }

  /** The tables, too; the object is as if it had never been. */
  async deleteAll() {
    this.#write("everything");
    this.#database = new DatabaseSync(":memory:");
    this.alarm = null;
  }

  #write(what) {
    if (!this.#open) {
      this.#open = [];
      this.commits.push(this.#open);
      queueMicrotask(() => (this.#open = null));
    }
    this.#open.push(what);
  }
}

class DurableObject {
  storage = new DurableObjectStorage();
  instance = null;
  requests = 0;

  constructor(className, name, env) {
    this.className = className;
    this.name = name;
    this.env = env;
  }
  awake() {
    const id = { name: this.name, toString: () => this.name };
    const state = { id, storage: this.storage, waitUntil() {} };
    return (this.instance ??= new (worker()[this.className])(state, this.env));
  }
}

export class DurableObjectNamespace {
  objects = new Map();
  /** `well`, or `broken`: no object can be reached. */
  mode = "well";

  constructor(className, env) {
    this.className = className;
    this.env = env;
  }
  object(name) {
    if (!this.objects.has(name)) this.objects.set(name, new DurableObject(this.className, name, this.env));
    return this.objects.get(name);
  }
  getByName(name) {
    const fetch = async (request) => {
      if (this.mode === "broken") throw new Error("Network connection lost.");
      const object = this.object(name);
      object.requests += 1;
      return object.awake().fetch(request);
    };
    return { name, fetch };
  }
}

const object = (env, name) => env.WORKFLOW_EXECUTOR.object(name);

export const objectNames = (env) => JSON.stringify([...env.WORKFLOW_EXECUTOR.objects.keys()]);
export const objectRequests = (env, name) => object(env, name).requests;
export const commits = (env, name) => JSON.stringify(object(env, name).storage.commits);
export const alarmOf = (env, name) => object(env, name).storage.alarm ?? undefined;
export const loseAlarm = (env, name) => void (object(env, name).storage.alarm = null);
export const breakStorage = (env, name, broken) => void (object(env, name).storage.broken = broken);
/** The state as it is stored; an object that never stored one has no table either. */
export const stored = (env, name) => {
  const { storage } = object(env, name);
  return storage.holdsState() ? storage.sql.exec("SELECT state FROM object").toArray()[0].state : undefined;
};
/** Forgets the instance, as the runtime does when it needs the memory. */
export const evict = (env, name) => void (object(env, name).instance = null);
/** A message, straight to the object: its status and its answer. */
export async function tell(env, name, body) {
  const request = new Request("https://object.invalid/", { method: "POST", body });
  const response = await env.WORKFLOW_EXECUTOR.getByName(name).fetch(request);
  return JSON.stringify([response.status, await response.text()]);
}

/** The objects of people and of sign-ins: name, whether it has a state, and its alarm. */
export const oauthObjects = (env) =>
  JSON.stringify(
    [...env.OAUTH.objects.values()].map(({ name, storage }) => [name, storage.holdsState(), storage.alarm]),
  );
export const breakOauth = (env, broken) => void (env.OAUTH.mode = broken ? "broken" : "well");
export async function ringOauth(env, name) {
  const object = env.OAUTH.object(name);
  object.storage.alarm = null;
  await object.awake().alarm();
}

/** Rings the alarm, due or not. It is spent while its handler runs, and back if the handler fails. */
export async function ring(env, name) {
  const { storage } = object(env, name);
  const at = storage.alarm;
  storage.alarm = null;
  try {
    await object(env, name).awake().alarm();
  } catch (error) {
    storage.alarm ??= at;
    throw error;
  }
}

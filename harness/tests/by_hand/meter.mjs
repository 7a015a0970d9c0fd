// The Worker with a meter around it. What the platform itself says of each statement (D1's `meta`,
// the cursors of an object's SQLite) and each call of a binding is added up here, before the Worker
// sees it: nothing of the Worker's own counting is used. `POST /_meter/start` begins, `POST
// /_meter/stop` ends, `GET /_meter` shows what came in between.
import { env } from "cloudflare:workers";
import Worker, * as worker from "./build/index.js";

const zero = () => ({
  d1: {}, object_statements: 0, object_rows_read: 0, object_rows_written: 0, alarms_set: 0,
  kv_reads: 0, kv_writes: 0, kv_deletes: 0, object_calls: 0, alarms_rung: 0, points: 0, unread: 0,
});
let meter = zero();
let stopped = zero();

/** Lets `seen` look at each call of a method, and at what it gives. */
const watch = (prototype, method, seen) => {
  const original = prototype[method];
  if (typeof original !== "function" || original.watched) return;
  const watching = function (...given) {
    const result = original.apply(this, given);
    return seen(result, this, given) ?? result;
  };
  watching.watched = true;
  prototype[method] = watching;
};
const count = (prototype, method, what) => watch(prototype, method, () => { meter[what] += 1; });

// D1. Bound statements know their SQL as the unbound ones do.
const statement = Object.getPrototypeOf(env.DB.prepare("SELECT 1"));
watch(statement, "run", async (result, self) => {
  const { meta } = await result;
  const sum = (meter.d1[self.statement] ??= { count: 0, rows_read: 0, rows_written: 0 });
  sum.count += 1;
  sum.rows_read += meta.rows_read;
  sum.rows_written += meta.rows_written;
  return result;
});
// Ways to the database that nobody here reads the meta of.
for (const method of ["all", "first", "raw"]) count(statement, method, "unread");
for (const method of ["batch", "exec"]) count(Object.getPrototypeOf(env.DB), method, "unread");

const kv = Object.getPrototypeOf(env.CACHE);
for (const method of ["get", "getWithMetadata"]) count(kv, method, "kv_reads");
count(kv, "put", "kv_writes");
count(kv, "delete", "kv_deletes");
count(Object.getPrototypeOf(env.ANALYTICS), "writeDataPoint", "points");

/** Whether the statement of a cursor was counted; its rows are, once it was read. */
const read = (_, cursor) => {
  meter.object_rows_read += cursor.rowsRead;
  meter.object_rows_written += cursor.rowsWritten;
};
const metered = (Class) => {
  count(Class.prototype, "fetch", "object_calls");
  count(Class.prototype, "alarm", "alarms_rung");
  return new Proxy(Class, {
    construct(target, given, newTarget) {
      const { storage } = given[0];
      count(Object.getPrototypeOf(storage), "setAlarm", "alarms_set");
      watch(Object.getPrototypeOf(storage.sql), "exec", (cursor) => {
        meter.object_statements += 1;
        watch(Object.getPrototypeOf(cursor), "toArray", read);
      });
      return Reflect.construct(target, given, newTarget);
    },
  });
};
export const WorkflowExecutor = metered(worker.WorkflowExecutor);
export const OAuth = metered(worker.OAuth);
export const AiMisses = metered(worker.AiMisses);

const served = Worker.prototype.fetch;
Worker.prototype.fetch = function (request) {
  const { pathname } = new URL(request.url);
  // The meter uses nothing, and says so, as every answer does.
  const headers = { "workway-usage": "rows_read=0" };
  switch (pathname) {
    case "/_meter/start": meter = zero(); break;
    case "/_meter/stop": stopped = structuredClone(meter); break;
    case "/_meter": return Response.json(stopped, { headers });
    default: return served.call(this, request);
  }
  return new Response(null, { status: 204, headers });
};
export default Worker;

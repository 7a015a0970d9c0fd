// Three endpoints of the service, as one would write them with Hono: the same contract, the same
// guards (request id, security headers, CORS, deadline, token, rate limit, usage), the same SQL.
import { zValidator } from "@hono/zod-validator";
import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import { timeout } from "hono/timeout";
import { z } from "zod";

type Bindings = {
  DB: D1Database;
  RATE_LIMITER: { limit(options: { key: string }): Promise<{ success: boolean }> };
  JWT_SECRET: string;
  CORS_ALLOWED_ORIGINS: string;
};
type Caller = { sub: string; scopes: string[] };
type Env = { Bindings: Bindings; Variables: { caller: Caller; usage: Record<string, number> } };

const problem = (c: Context, status: 400 | 401 | 403 | 413 | 429, title: string, issues?: unknown) =>
  c.body(
    JSON.stringify({ error: title, type: `urn:workway:problem:${status}`, status, title, issues }),
    status,
    { "content-type": "application/problem+json", "cache-control": "private, no-store" },
  );

// What requests used, added up by user; written to the database every ten seconds.
const ledger = new Map<string, { count: number; rowsRead: number; rowsWritten: number }>();
let flushAskedFor = false;

async function flush(db: D1Database) {
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  flushAskedFor = false;
  const pending = [...ledger];
  ledger.clear();
  const month = new Date().toISOString().slice(0, 7);
  for (const [user, used] of pending) {
    await db
      .prepare(
        "INSERT INTO usage_months (user_id, month, requests, rows_read, rows_written, kv_reads, " +
          "actor_requests, outbound_requests) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0) " +
          "ON CONFLICT (user_id, month) DO UPDATE SET requests = requests + excluded.requests, " +
          "rows_read = rows_read + excluded.rows_read, rows_written = rows_written + excluded.rows_written",
      )
      .bind(user, month, used.count, used.rowsRead, used.rowsWritten)
      .run();
  }
}

const text = new TextEncoder();
let key: Promise<CryptoKey> | undefined;

const decode = (part: string) =>
  Uint8Array.from(atob(part.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

/** The caller of a token of RFC 9068. Hono's own `verify` takes no other `typ` than `JWT`. */
async function verify(token: string, secret: string): Promise<Caller | undefined> {
  const [header, payload, signature, ...rest] = token.split(".");
  if (rest.length || !signature) return undefined;
  const { alg, typ, crit } = JSON.parse(new TextDecoder().decode(decode(header)));
  if (alg !== "HS256" || typ !== "at+jwt" || crit) return undefined;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  key ??= crypto.subtle.importKey("raw", text.encode(secret), algorithm, false, ["verify"]);
  const signed = text.encode(`${header}.${payload}`);
  if (!(await crypto.subtle.verify("HMAC", await key, decode(signature), signed))) return undefined;
  const { iss, aud, exp, nbf, sub, scope } = JSON.parse(new TextDecoder().decode(decode(payload)));
  const now = Date.now() / 1000;
  const valid = exp > now - 5 && nbf <= now + 5 && iss === "workway" && aud === "workway-api";
  return valid && sub ? { sub, scopes: scope.split(" ") } : undefined;
}

const authenticate = createMiddleware<Env>(async (c, next) => {
  const header = c.req.header("authorization") ?? "";
  const token = /^bearer +(.+)$/i.exec(header)?.[1];
  const caller = token
    ? await verify(token, c.env.JWT_SECRET).catch(() => undefined) // One answer for every reason.
    : undefined;
  const budget = caller ? `user:${caller.sub}` : `ip:${c.req.header("cf-connecting-ip")}`;
  const { success } = await c.env.RATE_LIMITER.limit({ key: budget });
  if (!success) return problem(c, 429, "Rate limit exceeded");
  if (!caller) return problem(c, 401, "Unauthorized");
  c.set("caller", caller);
  c.set("usage", {});
  await next();
  const usage = c.get("usage");
  const sum = ledger.get(caller.sub) ?? { count: 0, rowsRead: 0, rowsWritten: 0 };
  sum.count += 1;
  sum.rowsRead += usage.rows_read ?? 0;
  sum.rowsWritten += usage.rows_written ?? 0;
  ledger.set(caller.sub, sum);
  if (!flushAskedFor) {
    flushAskedFor = true;
    c.executionCtx.waitUntil(flush(c.env.DB));
  }
  c.header("cache-control", "private, no-store");
  if (caller.scopes.includes("meter")) {
    const used = Object.entries(usage).filter(([, amount]) => amount > 0);
    if (used.length) c.header("workway-usage", used.map(([k, v]) => `${k}=${v}`).join(", "));
  }
});

const characters = (min: number, max: number) =>
  z.string().refine((value) => {
    const length = [...value].length;
    return length >= min && length <= max;
  }, `must have ${min} to ${max} characters`);
const draft = z.object({
  name: characters(1, 100),
  description: characters(0, 500),
  steps: z
    .array(
      z.object({
        type: z.enum(["http", "transform", "delay"]),
        config: z.record(z.string(), z.unknown()),
      }),
    )
    .min(1)
    .max(50),
});

/** UUIDv7 (RFC 9562). */
function newId(now: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setUint32(0, Math.floor(now / 65536));
  new DataView(bytes.buffer).setUint16(4, now % 65536);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

const app = new Hono<Env>();
app.use(requestId({ generator: () => newId(Date.now()) }));
app.use(
  secureHeaders({
    strictTransportSecurity: "max-age=31536000; includeSubDomains; preload",
    contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    crossOriginResourcePolicy: false,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xFrameOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  }),
);
app.use(
  cors({
    origin: (origin, c) =>
      c.env.CORS_ALLOWED_ORIGINS.split(",").includes(origin) ? origin : undefined,
  }),
);
app.use(timeout(25_000));

app.get("/health/live", (c) => c.json({ status: "live" }, 200, { "cache-control": "no-store" }));

app.post(
  "/workflows",
  authenticate,
  bodyLimit({ maxSize: 256 * 1024, onError: (c) => problem(c, 413, "Body too large") }),
  zValidator("json", draft, (result, c) => {
    if (!result.success) return problem(c, 400, "Invalid input", result.error.issues);
  }),
  async (c) => {
    const caller = c.get("caller");
    if (!caller.scopes.includes("write")) return problem(c, 403, "Forbidden");
    const { name, description, steps } = c.req.valid("json");
    const now = Date.now();
    const workflow = {
      id: newId(now),
      name,
      description,
      steps,
      published_at: null,
      created_at: now,
      updated_at: now,
    };
    const { meta } = await c.env.DB.prepare(INSERT_WORKFLOW)
      .bind(workflow.id, caller.sub, name, description, JSON.stringify(steps), now)
      .run();
    c.set("usage", { rows_read: meta.rows_read, rows_written: meta.rows_written });
    return c.json(workflow, 201, { location: `/workflows/${workflow.id}` });
  },
);

const page = z.object({ limit: z.coerce.number().int().min(1).max(100).default(20) });

app.get(
  "/api/workflows",
  createMiddleware<Env>(async (c, next) => {
    const key = `ip:${c.req.header("cf-connecting-ip")}`;
    const { success } = await c.env.RATE_LIMITER.limit({ key });
    if (!success) return problem(c, 429, "Rate limit exceeded");
    await next();
  }),
  zValidator("query", page, (result, c) => {
    if (!result.success) return problem(c, 400, "Invalid input", result.error.issues);
  }),
  async (c) => {
    const { limit } = c.req.valid("query");
    const key = `https://cache.invalid/api/workflows?limit=${limit}`;
    const found = await caches.default.match(key);
    let body = await found?.text();
    if (body === undefined) {
      const { results } = await c.env.DB.prepare(LIST_PUBLISHED).bind(limit).all();
      body = JSON.stringify({ workflows: results, next: null });
      const kept = new Response(body, {
        headers: { "content-type": "application/json", "cache-control": "public, max-age=300" },
      });
      await caches.default.put(key, kept);
    }
    const digest = await crypto.subtle.digest("SHA-256", text.encode(body));
    const etag = `"${btoa(String.fromCharCode(...new Uint8Array(digest))).slice(0, 22)}"`;
    const headers = {
      "cache-control": "public, max-age=60, s-maxage=300",
      "cdn-cache-control": "max-age=300",
      etag,
    };
    if (c.req.header("if-none-match") === etag) return c.body(null, 304, headers);
    return c.body(body, 200, { ...headers, "content-type": "application/json" });
  },
);

const INSERT_WORKFLOW =
  "INSERT INTO workflows (id, user_id, name, description, steps, created_at, updated_at) " +
  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
const LIST_PUBLISHED =
  "SELECT id, name, description, published_at FROM workflows WHERE published_at IS NOT NULL " +
  "ORDER BY published_at DESC, id DESC LIMIT ?1";

export default app;

// A real browser signs in with Google and connects Notion, through the stub's consent pages.
// `node browser.mjs API CHROMIUM`: drives the browser by its DevTools protocol, with nothing but Node.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [api, chromium] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "workway-browser-"));
const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
  "--disable-background-networking", "--no-proxy-server", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"];
const browser = spawn(chromium, flags, { stdio: ["ignore", "ignore", "pipe"] });

/** Fails with what was expected. */
function check(condition, what) {
  if (!condition) throw new Error(`expected: ${what}`);
  console.error(`browser: ${what}`);
}

/** The URL of the debugger, which Chromium writes to stderr. */
const endpoint = await new Promise((resolve, reject) => {
  let text = "";
  browser.stderr.on("data", (chunk) => {
    text += chunk;
    const found = /DevTools listening on ws:\/\/([^/]+)/.exec(text);
    if (found) resolve(found[1]);
  });
  browser.on("exit", (code) => reject(new Error(`chromium ended with ${code}: ${text.slice(-500)}`)));
  setTimeout(() => reject(new Error("chromium did not start")), 60_000).unref();
});

async function connect() {
  const pages = await (await fetch(`http://${endpoint}/json/list`)).json();
  const socket = new WebSocket(pages.find((page) => page.type === "page").webSocketDebuggerUrl);
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
  const waiting = new Map();
  let last = 0;
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(data);
    const waits = waiting.get(id);
    if (waits) error ? waits.reject(new Error(error.message)) : waits.resolve(result);
  };
  return (method, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
}

const call = await connect();
const evaluate = async (expression) =>
  (await call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true })).result.value;

/** Waits until an expression is true in the page, which may be changing. */
async function until(expression) {
  for (let tries = 0; tries < 150; tries++) {
    if (await evaluate(expression).catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`never: ${expression}; the page is ${await evaluate("location.href + ' ' + document.body.innerText")}`);
}

/** To a provider's page, a click on a button, and back; what the API answers. */
async function visit(provider, button) {
  await call("Page.navigate", { url: `${api}/oauth/${provider}/authorize` });
  await until(`!!document.querySelector("#${button}")`);
  check(!(await evaluate("location.href")).startsWith(api), `${provider}'s page asks for consent`);
  await evaluate(`document.querySelector("#${button}").click()`);
  await until(`location.href.startsWith("${api}/oauth/${provider}/callback") && document.readyState === "complete"`);
  return JSON.parse(await evaluate("document.body.innerText"));
}

try {
  await call("Page.enable");
  const refused = await visit("google", "deny");
  check(refused.detail === "access was not granted", "who says no is not signed in");
  const { access_token: token, person } = await visit("google", "allow");
  check(token && person, "Google signs a person in");
  const { cookies } = await call("Network.getCookies", { urls: [api] });
  const refresh = cookies.find(({ name }) => name.endsWith("workway-refresh"));
  check(refresh?.httpOnly && refresh.sameSite === "Strict", "the refresh token is in a cookie that scripts cannot read");
  check((await evaluate("document.cookie")) === "", "scripts see no cookie");
  const connected = await visit("notion", "allow");
  check(connected.provider === "notion", "the cookie says whose Notion is connected");
  // Answers of the API are no pages: nothing may be fetched from them. This one stands for a page of ours.
  await call("Page.setBypassCSP", { enabled: true });
  await call("Page.navigate", { url: `${api}/health/live` });
  await until(`location.pathname === "/health/live" && document.readyState === "complete"`);
  const ask = async (path, init) => JSON.parse(await evaluate(`fetch("${path}", ${JSON.stringify(init)}).then((r) => r.text())`));
  const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });
  const { connections } = await ask("/connections", bearer(token));
  check(connections.map(({ provider }) => provider).join() === "google,notion", "both are connected");
  const next = await ask("/auth/refresh", { method: "POST" });
  check(next.person === person && next.access_token !== undefined, "the page gets its next token by the cookie");
  check((await ask("/me", bearer(next.access_token))).id === person, "and it is good");
} finally {
  browser.kill("SIGKILL");
  await new Promise((resolve) => (browser.exitCode === null && !browser.killed ? browser.on("exit", resolve) : setTimeout(resolve, 300)));
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
console.log("browser: passed");
process.exit(0);
